# SPDX-License-Identifier: GPL-2.0-only
"""A guest, as those see it who run something there: what it is, what it does, how it ends.

QEMU's (``lab.guest.qemu.guest``) is one case of it, one that is only played
(``lab.guest.fake``) another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from lab.errors import InfrastructureError
from lab.guest.command import CommandResult
from lab.guest.console import Console
from lab.guest.timeline import Timeline
from lab.model.recipe import Boot
from lab.process.cpu_waits import Times


class GuestDied(InfrastructureError):
    """The guest ended by itself: a panic, a reboot, or what it runs on died.

    Attributes:
        stdout: What the command that ran then had printed, as far as it is known.
        kernel: Whether the kernel did it, as far as can be seen; False when QEMU failed.
    """

    stdout: str = ""
    kernel: bool = True


class BootTimeout(InfrastructureError):
    """The guest did not come up before the boot deadline."""


class Hang(StrEnum):
    """Who does not go on: ``QEMU`` is whatever the guest runs on."""

    PROGRAM = "program"
    GUEST = "guest"
    QEMU = "qemu"


@dataclass(frozen=True)
class Description:
    """What a guest is, for who reads results that were had there.

    Attributes:
        accelerator: What runs its code: ``kvm``, ``tcg``.
        hardware: In a line, for people.
        hardware_key: The same, by which setups are told apart: it is never worded anew.
        cpu: The name of its CPU; where that is the host's, the host's own too.
        arguments: What its kernel is told beside what every kernel is, on any host.
        image: Names what it boots into, beside its programs.
        pmem: Which persistent memory it has: ``nvdimm``, or RAM that ``memmap`` sets apart.
        prepare: The shell command that runs first there.
        slower: How many times slower it is than others for what it has to count, at most.
    """

    accelerator: str
    hardware: str
    cpu: str = ""
    arguments: str = ""
    image: str = ""
    pmem: str = "nvdimm"
    prepare: str = ""
    hardware_key: str = ""
    slower: float = 1.0


class GuestSpec(Protocol):
    """What a guest is made from; picklable, since jobs go to other processes."""

    @property
    def folder(self) -> Path:
        """Where its console and logs stay; made when missing."""

    @property
    def kernel(self) -> Path:
        """Its kernel's file; ``System.map`` and ``vmlinux`` are beside it."""

    @property
    def boot_s(self) -> float:
        """Seconds it has to come up."""

    @property
    def command_s(self) -> float:
        """Seconds that a command has which is given no others."""

    def describe(self) -> Description:
        """What such a guest is."""

    def version(self) -> str:
        """The version of what it runs on: QEMU's.

        Raises:
            InfrastructureError: That is not installed.
        """

    def recipe(self) -> Boot | None:
        """How one is started by hand; None where nobody can."""

    def in_folder(self, folder: Path) -> Self:
        """The same with traces elsewhere."""

    def ready_with(self, command: str) -> Self:
        """The same for guests in which a shell command was run ahead, where that can be had.

        See Guest.take_readied().
        """

    def stretched(self, factor: float) -> Self:
        """The same with deadlines for a host that is ``factor`` times as busy."""

    def guest(self) -> Guest:
        """A guest of it, not open yet."""


class Guest(Protocol):
    """A running machine in a ``with`` block; nothing of it is left when the block ends.

    Raises (on entry):
        GuestDied: It ended during the boot.
        BootTimeout: It was not up in time, or the boot stalled for good.
        CommandTimeout: What prepares it still ran at its deadline.
        InfrastructureError: It never answered.
    """

    @property
    def spec(self) -> GuestSpec:
        """What it was made from."""

    @property
    def console(self) -> Console:
        """What its kernel prints."""

    @property
    def timeline(self) -> Timeline:
        """What was reached when."""

    @property
    def command(self) -> Sequence[str]:
        """What started it."""

    @property
    def prepared(self) -> CommandResult:
        """How the command ended that runs first in each guest of its kind."""

    def take_readied(self, command: str) -> CommandResult | None:
        """How ``command`` ended if it was run ahead (``spec.ready_with``), in what was saved.

        None if it was not, and the second time: what ran since may have undone it.

        Raises:
            GuestDied, CommandTimeout, CommandFlood: It did not come to an end.
        """

    @property
    def state(self) -> str:
        """The key of the saved state it started from; "" when it was booted."""

    @property
    def answers(self) -> bool:
        """Whether it can be asked anything more, as far as is known."""

    def open(self) -> None:
        """Start it, as entering its block does, which then finds it open; for a thread to do.

        Raises what entering raises.
        """

    def close(self) -> None:
        """End it, however far it is; for any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def run(
        self, command: str, deadline_s: float | None = None, then: str | None = None
    ) -> CommandResult:
        """Run a shell command there; ``spec.command_s`` is its deadline if none is given.

        Args:
            then: What is certainly run next, unless the guest is given up: it may begin by
                itself when this command had its guest looked at and left all as it was.

        Raises:
            GuestDied: The guest went down during it; says its last words.
            CommandTimeout: It still ran at the deadline, or was stopped; the guest lives.
            CommandFlood: It printed more than the lab takes; the guest lives.
        """

    def put(self, content: bytes, path: str) -> None:
        """Write a file there.

        Raises:
            InfrastructureError: The guest does not take it.
            CommandTimeout: It was not written within ``spec.command_s``.
            GuestDied: The guest went down meanwhile.
        """

    def fetch(self, path: str) -> bytes:
        """A regular file of the guest.

        Raises:
            InfrastructureError: It is none, is too large, or cannot be read.
            CommandTimeout: It did not come within ``spec.command_s``.
            GuestDied: The guest went down meanwhile.
        """

    def interact(self, command: str | None = None) -> int:
        """A shell or a command on this terminal; returns its exit status.

        Raises:
            GuestDied: The guest went down during it.
        """

    def stop(self) -> None:
        """End the command that runs as its deadline would, now; for another thread."""

    def forget(self) -> None:
        """Know no more what the last command printed: another is going to run."""

    def said(self) -> str:
        """What the last command has printed, so far; for any thread."""

    def heard(self) -> int:
        """How many pieces of that came; for any thread."""

    def times(self) -> Mapping[int, Times]:
        """What CPU time its threads had of the host, by their ids."""

    def alive(self) -> bool:
        """Whether the machine still runs."""

    def gone(self) -> bool:
        """Whether the guest ended by itself: the machine's end, but no failure of it."""

    def examine(self) -> tuple[Hang, str]:
        """Who hangs, when a command did not end, and what of that was kept in the folder."""
