# SPDX-License-Identifier: GPL-2.0-only
"""What counts how often instructions of a guest run: whatever this machine's QEMU has for that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
_SHARED = Path(__file__).with_name("counted.h")
_PLUGIN = "counts.so"
_DEADLINE_S = 60.0
#: What it says when it is only tried.
_LOADED = "lab: loaded"
#: QEMU takes plugins of some versions of its interface alone (QEMU_PLUGIN_MIN_VERSION,
#: QEMU_PLUGIN_VERSION of qemu-plugin.h): 9.0 dropped all before 2.
_FIRST_OF_2 = (9, 0)
_VERSION = re.compile(r"(\d+)\.(\d+)")


class Counting(Protocol):
    """What a guest counts, and by which means; picklable."""

    @property
    def slower(self) -> float:
        """How many times slower a guest is with it, at most."""
        ...

    @property
    def tcg(self) -> str:
        """The value of QEMU's ``-accel``; "" leaves that as it is."""
        ...

    @property
    def probes(self) -> Path:
        """The file that says what is counted."""
        ...

    def settled(self, place: Callable[[Path], Path], cache: Path) -> Counting:
        """The same for the host that this process is on; see Movable."""
        ...

    def begin(self, folder: Path, stack: ExitStack) -> tuple[str, ...]:
        """QEMU's words for a guest that leaves what it counts in a folder.

        Args:
            stack: Is left when QEMU has ended.
        """
        ...


@dataclass(frozen=True)
class PluginCounting:
    """By a plugin of TCG's."""

    plugin: Path
    probes: Path

    #: 1.3 on a whole run; what a deadline is for anyway.
    slower = 1.0
    tcg = ""

    def settled(self, place: Callable[[Path], Path], cache: Path) -> Counting:
        """The same by the plugin of this host's QEMU.

        Not by its log, where there is none: that would take longer than the job has.

        Raises:
            InfrastructureError: It loads none, or there is no compiler.
        """
        found = find_plugin(cache)
        if isinstance(found, Plugin):
            return found.counting(place(self.probes))
        raise InfrastructureError(
            f"{ARCH.qemu} loads no plugin here, and this job counts lines by one",
            detail=found,
            hint=f"a {ARCH.qemu} that was built with --enable-plugins, as Debian's is since 12",
        )

    def begin(self, folder: Path, stack: ExitStack) -> tuple[str, ...]:
        """A plugin has no need of anybody."""
        files = (("probes", self.probes), ("counts", folder / COUNTS), ("log", folder / LOG))
        values = ",".join(f"{name}={_comma(path)}" for name, path in files)
        return "-plugin", f"file={_comma(self.plugin)},{values}"


@dataclass(frozen=True)
class Plugin:
    """The plugin, which this machine's QEMU loads."""

    path: Path

    said = "a plugin of QEMU's TCG that counts instructions"

    def counting(self, probes: Path) -> Counting:
        """How guests count what a file asks for."""
        return PluginCounting(self.path, probes)


def find_plugin(cache: Path) -> Plugin | str:
    """The plugin, or why QEMU does not load it.

    Raises:
        InfrastructureError: There is no compiler.
    """
    plugin = _plugin(cache)
    words = ["-machine", "none", "-display", "none", "-plugin", f"file={_comma(plugin)},try=on"]
    # QEMU's -help has the option, whether it was built with plugins or not.
    tried = run([need_tool(ARCH.qemu), *words], check=False, timeout=_DEADLINE_S)
    return Plugin(plugin) if _LOADED in tried.stderr else tried.stderr.strip()


def _plugin(cache: Path) -> Path:
    version = 2 if qemu_release() >= _FIRST_OF_2 else 1
    flags = ("-fPIC", "-shared", "-fvisibility=hidden", f"-DAPI_VERSION={version}")
    return compiled(cache, _SOURCE, _PLUGIN, *flags)


def compiled(cache: Path, source: Path, name: str, *flags: str) -> Path:
    """What a source beside this module becomes, compiled once.

    Raises:
        InfrastructureError: There is no compiler.
    """
    parts = (*map(file_digest, (source, _SHARED)), *flags)
    folder = cache / "plugins" / hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
    with locked(folder.parent / ".lock"):
        if not damage(folder, [name]):
            return folder / name
        with scratch_folder(folder) as made:
            run([need_tool("gcc"), "-O2", *flags, "-o", made / name, source], timeout=_DEADLINE_S)
            seal(made, [name])
    return folder / name


def qemu_release() -> tuple[int, int]:
    """Major and minor version of this machine's QEMU; zeros of one that does not say it.

    Raises:
        InfrastructureError: It is not installed.
    """
    found = _VERSION.search(qemu_version())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _comma(path: Path) -> str:
    """A comma ends a value in QEMU's option syntax unless it is doubled."""
    return str(path).replace(",", ",,")
