# SPDX-License-Identifier: GPL-2.0-only
"""Commands in a guest, over SSH, and what it means when the connection ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lab.errors import InfrastructureError
from lab.guest.command import CommandResult, GuestLost
from lab.guest.guest import GuestDied, Hang
from lab.guest.qemu.hang_examiner import HangExaminer
from lab.guest.qemu.parts import QemuParts
from lab.guest.qemu.process import Vm
from lab.image import GuestKeys

if TYPE_CHECKING:
    from lab.guest.ssh import Ssh

_Answer = TypeVar("_Answer")

#: A kernel that panics is gone in less, when the host is not busy.
_DYING_S = 1.0


class Commands:
    """Runs commands in a guest, one after the other; not logged in yet.

    Attributes:
        answers: Whether the guest can be asked anything more, as far as is known.
    """

    def __init__(self, vm: Vm, keys: GuestKeys, parts: QemuParts) -> None:
        self.answers = True
        self._vm = vm
        self._keys = keys
        self._parts = parts
        self._examiner = HangExaminer(vm, parts.folder)
        self._opened: list[Ssh] = []
        self._ssh = self._connection(parts.ssh_s)

    def _connection(self, deadline_s: float) -> Ssh:
        # Half a second of imports: while QEMU starts, which hides them.
        from lab.guest.ssh import Ssh

        ssh = Ssh(self._vm.connect, self._keys, deadline_s)
        self._opened.append(ssh)
        return ssh

    def log_in(self) -> None:
        """Open the connection.

        Raises:
            GuestDied: The guest is gone.
            InfrastructureError: It did not let the lab in in time.
        """
        console = self._vm.console
        try:
            self._ssh.open(self._serves)
        except GuestLost as error:
            raise self._vm.died(at_once=True) from error
        except InfrastructureError as error:
            error.where, error.detail = console.path, console.tail()
            raise
        self._vm.timeline.mark("ssh")

    def close(self) -> None:
        """Close all connections."""
        for ssh in reversed(self._opened):
            ssh.close()

    def run(self, command: str, deadline_s: float, then: str | None = None) -> CommandResult:
        """Run a shell command; see Guest.run()."""
        return self._unless_lost(lambda: self._ssh.run(command, deadline_s, then))

    def fetch(self, path: str) -> bytes:
        """A regular file of the guest, of 256 MiB at most; see Guest.fetch()."""
        return self._unless_lost(lambda: self._ssh.fetch(path, self._parts.command_s))

    def interact(self, command: str | None) -> int:
        """A shell or a command on this terminal; returns its exit status.

        Raises:
            GuestDied: The guest went down during it.
        """
        return self._unless_lost(lambda: self._ssh.interact(command))

    def put(self, content: bytes, path: str) -> None:
        """Write a file in the guest; see Guest.put()."""
        return self._unless_lost(lambda: self._ssh.put(content, path, self._parts.command_s))

    def stop(self) -> None:
        """End the command that runs as its deadline would, now; for another thread."""
        self._ssh.stop()

    def forget(self) -> None:
        """Know no more what the last command printed: another is going to run."""
        self._ssh.forget()

    def said(self) -> str:
        """What the last command has printed, so far; for any thread."""
        return self._ssh.said()

    def heard(self) -> int:
        """How many pieces of that came; for any thread."""
        return len(self._ssh.heard())

    def examine(self) -> tuple[Hang, str]:
        """Who hangs, when a command did not end, and what of that was kept in the folder."""
        found = self._examiner.examine(lambda command: self.run(command, self._parts.shutdown_s))
        self.answers = self.answers and found[0] is Hang.PROGRAM
        return found

    def _unless_lost(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask()
        except GuestLost as error:
            raise self._lost(error) from error

    def _lost(self, error: GuestLost) -> GuestDied:
        """What a connection that ended means: the guest's end, or only its own."""
        vm = self._vm
        self.answers = not vm.ends_within(_DYING_S) and self._answers_again()
        if not (self.answers or (vm.runs and vm.cut_off)):
            died = vm.died(at_once=True)
            if vm.runs and self._examiner.registers()[0] is Hang.QEMU:
                died.kernel = False
        else:
            what = "the SSH connection was cut, and the guest goes on"
            died = GuestDied(what, where=vm.console.path, detail=vm.console.tail())
            died.kernel = False
        died.stdout = error.stdout
        return died

    def _answers_again(self) -> bool:
        """Whether a new connection can be had; it is used from then on."""
        if self._vm.server_ended():
            return False
        try:
            self._ssh = self._connection(self._parts.shutdown_s).open(self._serves)
            return self._ssh.run("true", self._parts.shutdown_s).status == 0
        except InfrastructureError:
            return False

    def _serves(self) -> bool:
        """Whether somebody may answer over SSH, now or later."""
        return self._vm.runs and not self._vm.server_ended()
