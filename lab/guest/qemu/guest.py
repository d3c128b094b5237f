# SPDX-License-Identifier: GPL-2.0-only
"""A guest under QEMU: open, run, fetch, close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lab.errors import InfrastructureError
from lab.guest.command import CommandResult
from lab.guest.console import Console
from lab.guest.guest import Hang
from lab.guest.qemu.parts import QemuParts
from lab.guest.qemu.saved_state import SavedState, discard
from lab.guest.qemu.start import Started, boot, power_off, restore
from lab.guest.qemu.state_maker import state_for
from lab.guest.timeline import Timeline
from lab.process.cpu_waits import Times


@dataclass(frozen=True)
class QemuSpec(QemuParts):
    """The parts of a guest, which make one."""

    def guest(self) -> QemuGuest:
        """A guest of it, not open yet."""
        return QemuGuest(self)


class QemuGuest:
    """A guest in a ``with`` block; no QEMU is left when the block ends.

    It starts from a saved state where its spec says where those are kept, and one can be
    made; its timeline says why not.  What it does, and raises, is Guest's to say.
    """

    def __init__(self, spec: QemuSpec) -> None:
        self.spec = spec
        spec.folder.mkdir(parents=True, exist_ok=True)
        self._notes: list[str] = []
        self._stack = ExitStack()
        self._up: Started | None = None
        self._readied: CommandResult | InfrastructureError | None = None

    def open(self) -> None:
        """Start it, as entering its block does, which then finds it open; for a thread to do.

        Raises what entering raises.
        """
        try:
            state = self._saved_state()
            if isinstance(state, SavedState):
                state = self._restored(state)
            self._up = state or boot(self.spec, self._stack)
            self._readied = self._up.readied
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End QEMU; for a guest whose block is not going to be entered."""
        self._stack.close()

    def __enter__(self) -> Self:
        if self._up is None:
            self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with suppress(Exception):
                power_off(self._started.vm, self.spec.shutdown_s)
        self.close()

    @property
    def console(self) -> Console:
        """What its kernel prints."""
        return self.spec.console

    @property
    def timeline(self) -> Timeline:
        """What was reached when; why no saved state was used, too."""
        timeline = self._started.vm.timeline
        notes = [(note, 0.0) for note in self._notes]
        return Timeline(timeline.started, [*notes, *timeline.marks])

    @property
    def command(self) -> Sequence[str]:
        """QEMU's command line."""
        return self._started.vm.command

    @property
    def prepared(self) -> CommandResult:
        """How ``spec.prepare`` ended, in this guest or in the one it was saved from."""
        return self._started.prepared

    def take_readied(self, command: str) -> CommandResult | None:
        """How ``command`` ended where it was ``spec.ready``: once, and before anything is run."""
        readied, self._readied = self._readied, None
        if command != self.spec.ready:
            return None
        if isinstance(readied, InfrastructureError):
            raise readied
        return readied

    @property
    def state(self) -> str:
        """The key of the saved state it started from; "" when it was booted."""
        return self._started.state

    @property
    def answers(self) -> bool:
        """Whether it can be asked anything more, as far as is known."""
        return self._started.commands.answers

    def run(
        self, command: str, deadline_s: float | None = None, then: str | None = None
    ) -> CommandResult:
        """Run a shell command in the guest; CommandFlood is after 32 MiB."""
        return self._started.commands.run(command, deadline_s or self.spec.command_s, then)

    def put(self, content: bytes, path: str) -> None:
        """Write a file in the guest."""
        self._started.commands.put(content, path)

    def fetch(self, path: str) -> bytes:
        """A regular file of the guest, of 256 MiB at most."""
        return self._started.commands.fetch(path)

    def interact(self, command: str | None = None) -> int:
        """A shell or a command on this terminal; returns its exit status.

        Raises:
            GuestDied: The guest went down during it.
        """
        return self._started.commands.interact(command)

    def stop(self) -> None:
        """End the command that runs as its deadline would, now; for another thread."""
        self._started.commands.stop()

    def forget(self) -> None:
        """Know no more what the last command printed: another is going to run."""
        self._started.commands.forget()

    def said(self) -> str:
        """What the last command has printed, so far; for any thread."""
        return self._started.commands.said()

    def heard(self) -> int:
        """How many pieces of that came; for any thread."""
        return self._started.commands.heard()

    def times(self) -> Mapping[int, Times]:
        """What CPU time QEMU's threads had of the host, by their ids."""
        return self._started.vm.times()

    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._started.vm.runs

    def gone(self) -> bool:
        """Whether it ended by itself: QEMU's end, but no failure of QEMU's."""
        return self._started.vm.status == 0

    def examine(self) -> tuple[Hang, str]:
        """Who hangs, when a command did not end, and what of that was kept in the folder.

        Takes a few times ``shutdown_s`` seconds at most.
        """
        return self._started.commands.examine()

    @property
    def _started(self) -> Started:
        assert self._up is not None, "the guest is not open"
        return self._up

    def _saved_state(self) -> SavedState | Started | None:
        if self.spec.states is None:
            return None
        return state_for(self.spec, self.spec.states, self._stack, self._notes.append)

    def _restored(self, state: SavedState) -> Started | None:
        """The guest started from a saved state; None if that is of no use."""
        try:
            return restore(self.spec, state, self._stack)
        except InfrastructureError as error:
            # What QEMU cannot load, or does not wake, must not cost a result.
            self._stack.close()
            discard(state.folder)
            self._notes.append(f"saved state {state.key} was of no use: {error.what}")
            return None
