# SPDX-License-Identifier: GPL-2.0-only
"""A plugin of QEMU's that counts how often instructions run: counts.c, compiled once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.coverage.counts import COUNTS, LOG
from lab.errors import InfrastructureError
from lab.guest.qemu.accelerator import qemu_version
from lab.host import need_tool
from lab.process import run
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, file_digest, seal

_SOURCE = Path(__file__).with_name("counts.c")
_PLUGIN = "counts.so"
_DEADLINE_S = 60.0
#: What it says when it is only tried.
_LOADED = "lab: loaded"
#: QEMU takes plugins of some versions of its interface alone (QEMU_PLUGIN_MIN_VERSION,
#: QEMU_PLUGIN_VERSION of qemu-plugin.h): 9.0 dropped all before 2.
_FIRST_OF_2 = (9, 0)
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Counting:
    """What a guest counts, and by which plugin; picklable."""

    plugin: Path
    probes: Path

    def settled(self, place: Callable[[Path], Path], cache: Path) -> Counting:
        """The same for this host's QEMU, which takes plugins of its own.

        Raises:
            InfrastructureError: It takes none, or there is no compiler.
        """
        return counting(cache, place(self.probes))

    def words(self, folder: Path) -> tuple[str, ...]:
        """QEMU's words for a guest that leaves what it counts in a folder."""
        files = (("probes", self.probes), ("counts", folder / COUNTS), ("log", folder / LOG))
        values = ",".join(f"{name}={_comma(path)}" for name, path in files)
        return "-plugin", f"file={_comma(self.plugin)},{values}"


def counting(cache: Path, probes: Path) -> Counting:
    """How guests count what a file asks for.

    Raises:
        InfrastructureError: QEMU takes no plugins, or there is no compiler.
    """
    return Counting(require_counting(cache), probes)


def require_counting(cache: Path) -> Path:
    """The plugin, which this machine's QEMU loads.

    Raises:
        InfrastructureError: It does not, or there is no compiler.
    """
    plugin = _plugin(cache)
    words = ["-machine", "none", "-display", "none", "-plugin", f"file={_comma(plugin)},try=on"]
    # QEMU's -help has the option, whether it was built with plugins or not.
    tried = run([need_tool(ARCH.qemu), *words], check=False, timeout=_DEADLINE_S)
    if _LOADED not in tried.stderr:
        raise InfrastructureError(
            f"{ARCH.qemu} loads no plugin, and lines are counted by one",
            detail=tried.stderr.strip(),
            hint=f"a {ARCH.qemu} that was built with --enable-plugins, as Debian's is since 12",
        )
    return plugin


def _plugin(cache: Path) -> Path:
    version = _interface()
    name = hashlib.sha256(f"{file_digest(_SOURCE)} {version}".encode()).hexdigest()[:12]
    folder = cache / "plugins" / name
    with locked(folder.parent / ".lock"):
        if not damage(folder, [_PLUGIN]):
            return folder / _PLUGIN
        with scratch_folder(folder) as made:
            words = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", f"-DAPI_VERSION={version}"]
            run([need_tool("gcc"), *words, "-o", made / _PLUGIN, _SOURCE], timeout=_DEADLINE_S)
            seal(made, [_PLUGIN])
    return folder / _PLUGIN


def _interface() -> int:
    found = _VERSION.search(qemu_version())
    is_new = found is not None and (int(found[1]), int(found[2])) >= _FIRST_OF_2
    return 2 if is_new else 1


def _comma(path: Path) -> str:
    """A comma ends a value in QEMU's option syntax unless it is doubled."""
    return str(path).replace(",", ",,")
