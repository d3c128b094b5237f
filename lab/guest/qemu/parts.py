# SPDX-License-Identifier: GPL-2.0-only
"""What a guest of QEMU's is made from."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab.arch import ARCH
from lab.guest.console import Console
from lab.guest.guest import Description
from lab.guest.movable import Files
from lab.guest.qemu.accelerator import choose, qemu_version
from lab.guest.qemu.command_line import Hardware, kernel_arguments
from lab.guest.qemu.tsc import host_tsc_khz, portable, retimed, tsc_arguments
from lab.model.recipe import Boot, Machine
from lab.process.seal import files_below
from lab.process.shelf import STATES
from lab.store.note import NOTE
from lab.userland.userland import Userland

if TYPE_CHECKING:
    from lab.guest.qemu.counting import Counting

_CPUINFO = Path("/proc/cpuinfo")
#: Who explains an oops, or a hang, looks there; vmlinux may be in a store, which the note names.
_SYMBOLS, _VMLINUX = "System.map", "vmlinux"


@dataclass(frozen=True)
class AnyAccelerator:
    """What a host takes to choose its own, as ``lab.toml`` leaves that open.

    Attributes:
        deadline_s: Seconds that a guest has which shows whether one works.
        hz: CONFIG_HZ of the kernel; None where that is not known.
    """

    deadline_s: float
    hz: int | None


@dataclass(frozen=True)
class QemuParts:
    """All that a guest is made from; picklable.

    Attributes:
        kernel: Its file; ``System.map`` and ``vmlinux`` are beside it.
        programs: Guest programs by name; they are in ``/lab`` there.
        folder: Where the console log stays; made when missing.
        boot_s, ssh_s, command_s, shutdown_s: Deadlines in seconds.
        prepare: A shell command that runs first in each guest; see Guest.prepared.
        stall_s: What a boot that stalls gets to go on, in seconds.
        userland: What is in the hardware's ``image``.
        ready: A shell command that ran in what guests of a saved state are saved from; "" is none.
        states: Where saved states are kept; None boots each guest.
        counting: What its guests count; a guest that is saved counts nothing.
        any_accelerator: Has another host choose the hardware's; None where it is to be that.
        more: Words of QEMU's for what somebody has it started with by hand; no saved state, and
            no result, knows of them.
    """

    kernel: Path
    image: Path
    programs: Mapping[str, Path]
    hardware: Hardware
    folder: Path
    boot_s: float
    ssh_s: float
    command_s: float
    shutdown_s: float
    append: str = ""
    prepare: str = "true"
    states: Path | None = None
    stall_s: float = 10.0
    more: tuple[str, ...] = ()
    userland: Userland | None = None
    counting: Counting | None = None
    ready: str = ""
    any_accelerator: AnyAccelerator | None = None

    @property
    def console(self) -> Console:
        """What its guest prints."""
        return Console(self.folder / "console.log")

    @property
    def kernel_arguments(self) -> str:
        """What its kernel is told."""
        return kernel_arguments(self.hardware, self.append)

    def describe(self) -> Description:
        """What such a guest is."""
        return Description(
            accelerator=self.hardware.accelerator,
            hardware=self.hardware.describe(),
            cpu=_cpu(self.hardware.accelerator),
            arguments=portable(self.append).strip(),
            image=self.image.stem,
            pmem=self.hardware.pmem,
            prepare=self.prepare,
            hardware_key=self.hardware.key,
            slower=1.0 if self.counting is None else self.counting.slower,
        )

    def version(self) -> str:
        """QEMU's version.

        Raises:
            InfrastructureError: It is not installed.
        """
        return qemu_version().removeprefix("QEMU emulator version ")

    def recipe(self) -> Boot:
        """How one is started by hand."""
        machine = asdict(self.hardware)
        # What runs in an image nobody repeats by hand.
        del machine["image"]
        return Boot(Machine(**machine), self.kernel_arguments, self.prepare)

    def in_folder(self, folder: Path) -> Self:
        """The same with traces elsewhere."""
        return replace(self, folder=folder)

    def ready_with(self, command: str) -> Self:
        """The same for guests in which a command was run ahead: those of a saved state.

        Not of guests that count: one that is not saved after all would have counted nothing.
        """
        return self if self.counting else replace(self, ready=command)

    def stretched(self, factor: float) -> Self:
        """The same with deadlines for a host that is ``factor`` times as busy."""
        return replace(
            self,
            boot_s=self.boot_s * factor,
            ssh_s=self.ssh_s * factor,
            command_s=self.command_s * factor,
            shutdown_s=self.shutdown_s * factor,
            stall_s=self.stall_s * factor,
        )

    @property
    def accelerator(self) -> str:
        """The one that a host has to have for it; "" is any."""
        return "" if self.any_accelerator else self.hardware.accelerator

    def files(self) -> Iterator[Files]:
        """All that it takes of this host's disk."""
        folder = self.kernel.parent
        beside = (_SYMBOLS, _VMLINUX if (folder / _VMLINUX).is_file() else NOTE)
        there = (name for name in beside if (folder / name).is_file())
        yield Files(folder, (self.kernel.name, *there))
        yield _as_files(self.image)
        yield from map(_as_files, self.programs.values())
        if self.userland is not None:
            yield _as_files(self.userland.path)
        if self.counting is not None:
            yield _as_files(self.counting.probes)

    def settled(self, place: Callable[[Path], Path], cache: Path) -> Self:
        """The same for the host that this process is on; see Movable."""
        userland, counted = self.userland, self.counting
        moved = replace(
            self,
            kernel=place(self.kernel),
            image=place(self.image),
            programs={name: place(path) for name, path in self.programs.items()},
            append=retimed(self.append, host_tsc_khz(cache)) if self.append else "",
            states=STATES.place(cache) if self.states is not None else None,
            userland=userland and replace(userland, path=place(userland.path)),
            counting=counted and counted.settled(place, cache),
        )
        return moved._accelerated(self.any_accelerator, cache) if self.any_accelerator else moved

    def _accelerated(self, asked: AnyAccelerator, cache: Path) -> Self:
        """The same with what runs guests on this host."""
        name = choose("auto", cache, asked.deadline_s, self.kernel).name
        if name == self.hardware.accelerator:
            return self
        return replace(
            self,
            hardware=replace(self.hardware, accelerator=name),
            append=clock_arguments(name, cache, asked.hz),
        )


def clock_arguments(accelerator: str, cache: Path, hz: int | None) -> str:
    """What a kernel is told of this host's clock; "" under what shows it to the guest."""
    return tsc_arguments(cache, hz) if ARCH.has_tsc and accelerator == "tcg" else ""


def _as_files(path: Path) -> Files:
    """A file, or all that is in a folder."""
    if not path.is_dir():
        return Files(path.parent, (path.name,))
    return Files(path.parent, tuple(f"{path.name}/{name}" for name, _ in files_below(path)))


def _cpu(accelerator: str) -> str:
    """QEMU's name for the guest's; where that is the host's, the host's own too."""
    name = ARCH.cpus.get(accelerator, accelerator)
    return f"{name} ({_host_cpu()})" if accelerator == "kvm" else name


def _host_cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", _CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
