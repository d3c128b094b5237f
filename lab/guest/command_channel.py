# SPDX-License-Identifier: GPL-2.0-only
"""Shell commands of a guest, one after the other, over one SSH channel.

To open a channel for each costs 10 ms of a guest under TCG, which is what a small program
takes.  A process of the guest (guest-tests/init/commands.c) has the other end, and starts a
shell for each command.
"""

from __future__ import annotations

import codecs
import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from paramiko import Channel, SSHException

#: By the name of the shell's own: what it gives the guest's program goes nowhere else.
COMMAND = "exec /lab/init commands"
_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<cI")
#: What one frame has of output at most; a guest that says more is not believed.
_LONGEST = 1 << 16
_PIECE = 1 << 16
_MOST_SAID = 200


class BrokenOff(Exception):
    """The channel ended before a command did."""


class Late(Exception):
    """A command still ran at its deadline."""


class CommandChannel:
    """One channel; it ends with a command that does not come to a status.

    Args:
        dial: Opens a channel; raises what an SSH connection raises.

    Attributes:
        printed: How many bytes the last command has printed.
        stopped: Whether stop() ended it.
    """

    def __init__(self, dial: Callable[[], Channel]) -> None:
        self._dial = dial
        self._opened: Channel | None = None
        self._rest = bytearray()
        self.stopped = False
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

    def run(self, command: str, deadline_s: float, most: int) -> int | None:
        """Run a shell command; returns its exit status, or None where a signal ended its shell.

        Args:
            most: Of what it may print, in bytes; ``printed`` is more where that ended it.

        Raises:
            Late: It still ran after ``deadline_s`` seconds.
            BrokenOff: It did not begin in twice the time, the channel ended or was stopped, or
                what came through it was no answer.
            SSHException, OSError: It could not be opened, or told the command.
        """
        self.forget()
        try:
            self._begin(command.encode(), 2 * deadline_s)
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

    def _begin(self, command: bytes, patience_s: float) -> None:
        """Who does not begin does not hang in the command: that is the guest, or its host."""
        until = time.monotonic() + patience_s
        # One that says so before it is asked speaks of what it was never told.
        if self._rest or self._channel.recv_ready():
            raise BrokenOff("an answer that came before its command")
        try:
            self._channel.settimeout(patience_s)
            self._channel.sendall(_LENGTH.pack(len(command)) + command)
            name, data = self._frame(until)
        except TimeoutError:
            raise BrokenOff(f"it did not begin in {patience_s:g} s") from None
        if (name, data) != (b"b", b""):
            raise BrokenOff(f"no answer: {name!r} for the beginning")

    def _answer(self, deadline_s: float, most: int) -> int | None:
        until = time.monotonic() + deadline_s
        while self.printed <= most:
            name, data = self._frame(until)
            if name == b"x":
                self._end_output()
                return _exit_status(data)
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


def _exit_status(data: bytes) -> int | None:
    if len(data) != _LENGTH.size:
        raise BrokenOff("no answer: no exit status")
    code = os.waitstatus_to_exitcode(*_LENGTH.unpack(data))
    return code if code >= 0 else None
