# SPDX-License-Identifier: GPL-2.0-only
"""A plugin of QEMU's that counts how often instructions run: counts.c, compiled once."""

from __future__ import annotations

import hashlib
import re
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
#: QEMU takes plugins of some versions of its interface alone (QEMU_PLUGIN_MIN_VERSION,
#: QEMU_PLUGIN_VERSION of qemu-plugin.h): 9.0 dropped all before 2.
_FIRST_OF_2 = (9, 0)
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Counting:
    """What a guest counts, and by which plugin; picklable."""

    plugin: Path
    probes: Path

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
    qemu = need_tool(ARCH.qemu)
    if "-plugin" not in run([qemu, "-help"], timeout=_DEADLINE_S).stdout:
        what = f"{qemu} takes no plugins, and lines are counted by one"
        raise InfrastructureError(what, hint="a QEMU that was built with --enable-plugins")
    return Counting(_plugin(cache), probes)


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
