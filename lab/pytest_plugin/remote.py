# SPDX-License-Identifier: GPL-2.0-only
"""A guest as a test of pytest's sees it: another process has it, and is asked.

Not called guest: a module of that name would take the place of the fixture in the package.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import InfrastructureError
from lab.guest.command import CommandFlood, CommandResult, CommandTimeout
from lab.guest.guest import GuestDied
from lab.guest.wire import Message, Wire, packed, unpacked

_KINDS: Mapping[str, type[InfrastructureError]] = {
    "died": GuestDied,
    "timeout": CommandTimeout,
    "flood": CommandFlood,
}


class CommandFailed(AssertionError):
    """A command that was to succeed did not; ``result`` is how it ended."""

    def __init__(self, command: str, result: CommandResult) -> None:
        said = (result.stderr or result.stdout).strip()
        super().__init__(f"`{command}` ended with status {result.status}: {said}")
        self.result = result


class Guest:
    """A running guest; it is the test's alone, and gone after it.

    Attributes:
        variant: Of the kernel, as results have it.
        release: What ``uname -r`` says.
        asked: Whether the test has asked it anything.
    """

    def __init__(self, wire: Wire, variant: str, release: str) -> None:
        self.variant = variant
        self.release = release
        self.asked = False
        self._wire = wire
        #: A test may have threads: each has the answer to what it asked.
        self._asking = threading.Lock()
        self._gone = False

    def leave(self) -> None:
        """The test is over: what still asks has its answer first, and nothing has one after it."""
        with self._asking:
            self._gone = True

    def run(
        self, command: str | Sequence[str], *, check: bool = False, deadline_s: float | None = None
    ) -> CommandResult:
        """Run a shell command, or a program with its arguments, and wait for its end.

        Args:
            check: Raise CommandFailed unless its status is 0.
            deadline_s: Seconds it may take; what is left of the test's own if none are given.

        Raises:
            CommandFailed: See ``check``: the test has failed, if it goes no further.
            GuestDied, CommandTimeout, CommandFlood: See lab.guest.guest.Guest.
        """
        __tracebackhide__ = True
        line = command if isinstance(command, str) else shlex.join(command)
        said = self._ask("run", command=line, deadline=deadline_s)
        result = CommandResult(
            int(said["status"]), str(said["stdout"]), str(said["stderr"]), float(said["duration_s"])
        )
        if check and result.status != 0:
            raise CommandFailed(line, result)
        return result

    def put(self, content: bytes | str | Path, path: str) -> None:
        """Write a file there: bytes, text, or what a file of this host holds."""
        if isinstance(content, Path):
            content = content.read_bytes()
        data = content.encode() if isinstance(content, str) else content
        self._ask("put", path=path, content=packed(data))

    def get(self, path: str) -> bytes:
        """A regular file of the guest; raises InfrastructureError if it is none."""
        return unpacked(self._ask("get", path=path)["content"])

    def dmesg(self) -> str:
        """The kernel log."""
        return self.run("dmesg", check=True).stdout

    def console(self, lines: int = 200) -> str:
        """What its console printed last."""
        return str(self._ask("console", lines=lines)["text"])

    def _ask(self, what: str, **more: object) -> Message:
        __tracebackhide__ = True
        with self._asking:
            if self._gone:
                raise InfrastructureError("this guest was an earlier test's, and is gone")
            self.asked = True
            self._wire.send(ask=what, **more)
            said = self._wire.receive()
        if "raise" not in said:
            return said
        error = _KINDS.get(str(said["raise"]), InfrastructureError)(str(said["what"]))
        if hasattr(error, "stdout"):
            error.stdout = str(said.get("stdout", ""))
        raise error


class Filesystem:
    """A filesystem that was made and mounted for the test.

    Attributes:
        name: As ``lab.toml`` has it.
        path: Where it is mounted in the guest.
        asked: Whether the test has looked at the proofs.
    """

    def __init__(self, name: str, path: str, proofs: Mapping[str, Mapping[str, str]]) -> None:
        self.name = name
        self.path = path
        self.asked = False
        self._proofs = proofs

    @property
    def proofs(self) -> Mapping[str, Mapping[str, str]]:
        """What this guest showed for each of its promises, by the proof's name: ``dax``."""
        self.asked = True
        return self._proofs
