# SPDX-License-Identifier: GPL-2.0-only
"""Shell commands of a guest, one after the other, over one SSH channel.

To open a channel for each costs 10 ms of a guest under TCG, which is what a small program
takes.  A process of the guest (guest-tests/init/commands.c) has the other end, and starts a
shell for each command.

It can be told ahead which command comes next, and begins that by itself if the one before
left all as it was: it runs while the lab looks at what that one said.
"""

from __future__ import annotations

import codecs
import os
import secrets
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from paramiko import Channel, SSHException

from lab.errors import InfrastructureError

#: By the name of the shell's own: what it gives the guest's program goes nowhere else.
COMMAND = "exec /lab/init commands"
_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<cI")
#: VERSION in commands.c.
_GREETING = _HEAD.pack(b"v", 1) + bytes([2])
#: As waitpid() says it, and microseconds.
_END = struct.Struct("<iQ")
#: In the length of a command that is to begin by itself.
_NEXT = 1 << 31
#: Bytes that a command is known by: an answer to another is none to it.
_NAME_BYTES = 8
#: What one frame has of output at most; a guest that says more is not believed.
_LONGEST = 1 << 16
_PIECE = 1 << 16
_MOST_SAID = 200


class BrokenOff(Exception):
    """The channel ended before a command did."""


class OtherVersion(InfrastructureError):
    """The guest's init speaks otherwise than this lab does."""

    def __init__(self) -> None:
        super().__init__(
            "the guest's init (guest-tests/init) and this lab are of different versions",
            hint="take both from one: a lab that runs goes on with the files that it finds",
        )


class Late(Exception):
    """A command still ran at its deadline."""


@dataclass(frozen=True)
class Sent:
    """A command that the guest was told, and the bytes that it is known by there."""

    command: str
    name: bytes


class CommandChannel:
    """One channel; it ends with a command that does not come to a status.

    Args:
        dial: Opens a channel; raises what an SSH connection raises.

    Attributes:
        printed: How many bytes the last command has printed.
        stopped: Whether stop() ended it.
        took_s: Seconds the last command took, by the guest's clock.
    """

    def __init__(self, dial: Callable[[], Channel]) -> None:
        self._dial = dial
        self._opened: Channel | None = None
        self._rest = bytearray()
        self._ahead: Sent | None = None
        self._greeted = False
        self.stopped = False
        self.took_s = 0.0
        self.forget()

    @property
    def _channel(self) -> Channel:
        """Opened for the first command: somebody may want that to be stopped by then."""
        if self._opened is None:
            channel = self._dial()
            channel.exec_command(COMMAND)
            self._opened = channel
        if self.stopped:
            raise BrokenOff("stopped")
        return self._opened

    def forget(self) -> None:
        """Know no more what the last command said: another is going to run."""
        # Not the locale's, which may be ASCII.
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in b"oe"}
        self._said: dict[int, list[str]] = {name: [] for name in b"oe"}
        self.printed = 0

    @property
    def ahead(self) -> str | None:
        """The command that has to be run here next, if there is one: it may run already."""
        return None if self._ahead is None else self._ahead.command

    def run(
        self, command: str, deadline_s: float, most: int, then: str | None = None
    ) -> int | None:
        """Run a shell command; returns its exit status, or None where a signal ended its shell.

        Args:
            most: Of what it may print, in bytes; ``printed`` is more where that ended it.
            then: What runs here next, and may begin once this one has had its guest looked at
                and left all as it was, without a word of the kernel's.

        Raises:
            Late: It still ran after ``deadline_s`` seconds.
            OtherVersion: Who has the other end is not of this lab.
            BrokenOff: It did not begin in twice the time, the channel ended or was stopped, or
                what came through it was no answer.
            SSHException, OSError: It could not be opened, or told the command.
        """
        self.forget()
        try:
            self._begin(command, 2 * deadline_s)
            if then is not None:
                self._ahead = self._send(then, _NEXT)
            status = self._answer(deadline_s, most)
        except TimeoutError:
            self.close()
            raise Late from None
        except BaseException:
            self.close()
            raise
        if status is None:
            self.close()
        return status

    def _begin(self, command: str, patience_s: float) -> None:
        """Who does not begin does not hang in the command: that is the guest, or its host."""
        until = time.monotonic() + patience_s
        try:
            if self._has_begun(command, until):
                return
            # One that says so before it is asked speaks of what it was never told.
            if self._rest or self._channel.recv_ready():
                raise BrokenOff("an answer that came before its command")
            self._channel.settimeout(patience_s)
            sent = self._send(command)
            self._greet(until)
            name, data = self._frame(until)
        except TimeoutError:
            raise BrokenOff(f"it did not begin in {patience_s:g} s") from None
        if (name, data) != (b"b", sent.name):
            raise BrokenOff(f"no answer: {name!r} for the beginning")

    def _greet(self, until: float) -> None:
        """Whoever is there says first how it speaks."""
        if not self._greeted and self._take(len(_GREETING), until) != _GREETING:
            raise OtherVersion
        self._greeted = True

    def _has_begun(self, command: str, until: float) -> bool:
        """Whether it was told ahead, and begun."""
        sent, self._ahead = self._ahead, None
        if sent is None:
            return False
        if sent.command != command:
            raise BrokenOff("another command was to run there next")
        name, data = self._frame(until)
        if name not in (b"b", b"s") or data != sent.name:
            raise BrokenOff(f"no answer: {name!r} for the beginning")
        return name == b"b"

    def _send(self, command: str, flags: int = 0) -> Sent:
        sent = Sent(command, secrets.token_bytes(_NAME_BYTES))
        told = sent.name + command.encode()
        self._channel.sendall(_LENGTH.pack(len(told) | flags) + told)
        return sent

    def _answer(self, deadline_s: float, most: int) -> int | None:
        until = time.monotonic() + deadline_s
        while self.printed <= most:
            name, data = self._frame(until)
            if name == b"x":
                self._end_output()
                status, self.took_s = _end(data)
                return status
            self._hear(name[0], data, most)
        return None

    def _hear(self, name: int, data: bytes, most: int) -> None:
        # Nothing, again and again, would come to no end of a list.
        if name not in self._said or not data:
            raise BrokenOff(f"no answer: {len(data)} bytes of {chr(name)!r}")
        self.printed += len(data)
        if self.printed <= most:
            self._said[name].append(self._decoders[name].decode(data))

    def _end_output(self) -> None:
        for name, decoder in self._decoders.items():
            if rest := decoder.decode(b"", final=True):
                self._said[name].append(rest)

    def _frame(self, until: float) -> tuple[bytes, bytes]:
        """The next that comes, whole."""
        name, length = _HEAD.unpack(self._take(_HEAD.size, until))
        if length > _LONGEST:
            raise BrokenOff(f"no answer: {length} bytes at once")
        return name, self._take(length, until)

    def _take(self, count: int, until: float) -> bytes:
        while len(self._rest) < count:
            self._receive(until)
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken

    def _receive(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._channel.settimeout(left)
        data = self._channel.recv(_PIECE)
        if not data:
            raise BrokenOff(self._last_words() or "the channel was closed")
        self._rest += data

    def _last_words(self) -> str:
        """What the guest's process said of its own end: that it could not be started, above all."""
        ready = self._channel.recv_stderr_ready()
        said = self._channel.recv_stderr(_MOST_SAID) if ready else b""
        return said.decode(errors="replace").strip()

    def stdout(self) -> tuple[str, ...]:
        """The pieces of what the last command has printed so far; for any thread."""
        return tuple(self._said[ord("o")])

    def stderr(self) -> tuple[str, ...]:
        """The same on its stderr."""
        return tuple(self._said[ord("e")])

    @property
    def is_open(self) -> bool:
        """Whether another command can be run on it, as far as is known."""
        channel = self._opened
        return channel is not None and not (channel.closed or channel.eof_received)

    def stop(self) -> None:
        """End the command that runs; for another thread."""
        self.stopped = True
        self.close()

    def close(self) -> None:
        """End the channel, and the guest's process with it."""
        if self._opened is not None:
            # It says goodbye, which fails where nobody listens any more.
            with suppress(SSHException, EOFError, OSError):
                self._opened.close()


def _end(data: bytes) -> tuple[int | None, float]:
    """The exit status, None after a signal, and the seconds it took."""
    if len(data) != _END.size:
        raise BrokenOff("no answer: no exit status")
    how, took = _END.unpack(data)
    code = os.waitstatus_to_exitcode(how)
    return (code if code >= 0 else None), took / 1e6
