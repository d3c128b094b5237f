# SPDX-License-Identifier: GPL-2.0-only
"""Child processes: arguments as a list, no shell, no stdin, killed on the way out."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from lab.errors import InfrastructureError
from lab.process.deadline import Deadline
from lab.process.starter import start
from lab.process.tool_failure import ending_signal

#: Seconds a keeper may take to kill all below it.
_KILLING_S = 10
_TAIL_LINES = 20
_TAIL_BYTES = 64 << 10
#: Bytes of stdout, and of stderr, that a tool may print.  The most that is asked of one:
#: find(1) over a tree of 80,000 files says 5 MB, a dry run of make for a large config 40.
MOST_PRINTED = 64 << 20
#: Seconds between two looks at how much there is.
_LOOK_S = 0.25

Argument = str | os.PathLike[str]


class ProcessFailed(InfrastructureError):
    """A child ended with a status other than 0."""


class ProcessKilled(ProcessFailed):
    """A child was ended by a signal that says nothing of what it was given."""


class ProcessTimeout(InfrastructureError):
    """A child was still running at its deadline, and was killed."""


class ProcessFlood(InfrastructureError):
    """A child printed more than anybody wants to know of it, and was killed."""


@dataclass(frozen=True)
class Result:
    """How a child ended.

    ``status`` is its exit status, 128 + N when signal N killed it; ``stdout``
    and ``stderr`` are what it wrote, undecodable bytes replaced.
    """

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    duration_s: float


class Child:
    """A running child process, in a session of its own, in a ``with`` block.

    Leaving the block kills whatever of its session still runs.

    Attributes:
        started: ``time.monotonic()`` at its start.
    """

    def __init__(
        self, lifeline: socket.socket, arguments: tuple[str, ...], stdout: IO[bytes] | None
    ) -> None:
        lifeline.setblocking(False)
        self._lifeline = lifeline
        self._stdout = stdout
        self._hearing = threading.Lock()
        self._said = b""
        self._ended = False
        self.arguments = arguments
        self.started = time.monotonic()

    @property
    def stdout(self) -> IO[bytes]:
        """The child's output, when it was started with ``stdout=subprocess.PIPE``."""
        assert self._stdout is not None
        return self._stdout

    @property
    def pid(self) -> int:
        """The keeper's process id: the parent of the command."""
        while not (said := self._numbers()) and not self._ended:
            self._hear(None)
        if not said:
            raise InfrastructureError(f"the keeper of {self.arguments[0]} was killed")
        return said[0]

    def poll(self) -> int | None:
        """The exit status, or None while it runs.

        Raises:
            InfrastructureError: It never ran: that is no status of the command's.
        """
        self._hear(0)
        said = self._numbers()
        if len(said) > 1:
            return said[1]
        if self._ended and not said:
            raise InfrastructureError(f"{self.arguments[0]} was not started: its keeper died")
        # A keeper that was killed takes the command with it.
        return 128 + signal.SIGKILL if self._ended else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait ``timeout`` seconds at most; raises ProcessTimeout after that."""
        deadline = None if timeout is None else Deadline("child", timeout)
        while (status := self.poll()) is None:
            left = None if deadline is None else deadline.left_s
            if left is not None and left <= 0:
                raise ProcessTimeout(
                    f"{self.arguments[0]} was still running after {timeout:g} s"
                ) from None
            self._hear(left)
        return status

    def kill(self) -> None:
        """Kill the child with all its descendants; returns when they are gone."""
        # End-of-file on the lifeline makes the keeper kill all of them.
        with suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)
        # The status is said last, but what the keeper holds goes with the keeper.
        deadline = Deadline("kill", _KILLING_S)
        while not self._ended and (left := deadline.left_s) > 0:
            self._hear(left)
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        while not self._ended:
            self._hear(None)

    def _numbers(self) -> list[int]:
        """What the keeper has said: its process id, and later the command's exit status."""
        return [int(line) for line in self._said.split(b"\n")[:-1]]

    def _hear(self, seconds: float | None) -> None:
        """Take in what the keeper says, waiting for it ``seconds`` at most."""
        if self._ended:
            return
        poll = select.poll()
        poll.register(self._lifeline, select.POLLIN)
        if not poll.poll(None if seconds is None else 1000 * seconds):
            return
        # Another thread may have been faster.
        with self._hearing, suppress(BlockingIOError):
            try:
                said = self._lifeline.recv(64)
            except ConnectionError:
                said = b""
            self._said += said
            self._ended = not said

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._lifeline.close()
        if self._stdout is not None:
            self._stdout.close()


def spawn(
    arguments: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    file_size: int | None = None,
) -> Child:
    """Start a child that ends when the returned Child is left, or the lab dies.

    Args:
        env: Variables set on top of the lab's own environment.
        stdin, stdout, stderr: A file, its descriptor, or a constant of subprocess's.
        pass_fds: File descriptors the command inherits, under the same numbers.
        file_size: Bytes; SIGXFSZ ends the command when a file that it writes would have more.

    Raises:
        InfrastructureError: The command is not on this machine.
    """
    command = tuple(os.fspath(argument) for argument in arguments)
    if shutil.which(command[0]) is None:
        raise InfrastructureError(f"{command[0]} is not installed", hint="lab doctor")
    with ExitStack() as stack:
        ours: IO[bytes] | None = None
        if stdout == subprocess.PIPE:
            read_end, stdout = os.pipe()
            stack.callback(os.close, stdout)
            ours = open(read_end, "rb")  # noqa: PTH123, SIM115
        standard = {0: _descriptor(stdin, stack), 1: _descriptor(stdout, stack)}
        standard[2] = standard[1] if stderr == subprocess.STDOUT else _descriptor(stderr, stack)
        try:
            lifeline = start(
                command,
                cwd,
                {**os.environ, **(env or {})},
                standard | {n: n for n in pass_fds},
                file_size,
            )
        except BaseException:
            if ours is not None:
                ours.close()
            raise
    return Child(lifeline, command, ours)


def _descriptor(file: int | IO[bytes], stack: ExitStack) -> int:
    if file == subprocess.DEVNULL:
        return stack.enter_context(Path(os.devnull).open("r+b", buffering=0)).fileno()
    return file if isinstance(file, int) else file.fileno()


def run(
    arguments: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float | None = None,
    log: Path | None = None,
    input: bytes | None = None,
    most: int = MOST_PRINTED,
    file_size: int | None = None,
) -> Result:
    """Run a child to its end.

    Args:
        check: Raise ProcessFailed when its status is not 0.
        timeout: Seconds until it is killed and ProcessTimeout raised.
        log: A file its stdout and stderr are appended to, instead of being returned.
        input: Bytes for its stdin; without them it is empty.
        most: Bytes that it may print on each of stdout and stderr, where there is no log.
        file_size: As spawn() takes it.

    Raises:
        ProcessFailed, ProcessTimeout, ProcessFlood, InfrastructureError (not installed), and
            ProcessKilled whatever ``check`` says: no status of the tool's own has to be judged
            then.
    """
    with ExitStack() as stack:
        source, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        stdout: IO[bytes] = out
        stderr: IO[bytes] = err
        if log is not None:
            stdout = stderr = log.open("ab")
        try:
            # A file cannot fill up and block as a pipe can.
            source.write(input or b"")
            source.seek(0)
            with spawn(
                arguments,
                cwd=cwd,
                env=env,
                stdin=source,
                stdout=stdout,
                stderr=stderr,
                file_size=file_size,
            ) as child:
                status = _wait_and_look(child, timeout, (out, err), most)
            duration = time.monotonic() - child.started
        finally:
            if log is not None:
                stdout.close()
        result = Result(child.arguments, status, _read(out), _read(err), duration)
    if signal_name := ending_signal(status):
        raise failure(result, log, ProcessKilled, f"was ended by {signal_name}")
    if check and status != 0:
        raise failure(result, log)
    return result


def failure(
    result: Result,
    log: Path | None = None,
    kind: type[ProcessFailed] = ProcessFailed,
    how: str = "",
) -> ProcessFailed:
    """The error for a child that ended badly, with the tail of what it said."""
    said = result.stderr or result.stdout
    if log is not None:
        with suppress(OSError):
            said = _end_of(log)
    tail = "\n".join(said.splitlines()[-_TAIL_LINES:])
    return kind(
        f"`{shlex.join(result.arguments)}` {how or f'ended with status {result.status}'}",
        where=log,
        detail=tail or None,
    )


def _end_of(log: Path) -> str:
    """The end of a log, which may be longer than memory is large."""
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return stream.read(_TAIL_BYTES).decode(errors="replace")


def _wait_and_look(
    child: Child, timeout: float | None, streams: Sequence[IO[bytes]], most: int
) -> int:
    """As Child.wait(); the streams are files that it prints to, which have no end of their own."""
    end = None if timeout is None else child.started + timeout
    status: int | None = None
    while status is None:
        left = _LOOK_S if end is None else min(_LOOK_S, max(0.0, end - time.monotonic()))
        with suppress(ProcessTimeout):
            status = child.wait(left)
        if any(os.fstat(stream.fileno()).st_size > most for stream in streams):
            raise ProcessFlood(
                f"`{shlex.join(child.arguments)}` printed more than {most >> 20} MiB, and was ended"
            )
        if status is None and end is not None and time.monotonic() >= end:
            raise ProcessTimeout(f"{child.arguments[0]} was still running after {timeout:g} s")
    return status


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
