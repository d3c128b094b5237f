# SPDX-License-Identifier: GPL-2.0-only
"""Child processes: arguments as a list, no shell, no stdin, killed on the way out."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from lab.errors import InfrastructureError

_KEEPER = Path(__file__).with_name("keeper.py")
_TAIL_LINES = 20

Argument = str | os.PathLike[str]


class ProcessFailed(InfrastructureError):
    """A child ended with a status other than 0."""


class ProcessTimeout(InfrastructureError):
    """A child was still running at its deadline, and was killed."""


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
    """

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int, arguments: tuple[str, ...]):
        self._process = process
        self._lifeline: int | None = lifeline
        self.arguments = arguments
        #: ``time.monotonic()`` at its start.
        self.started = time.monotonic()

    @property
    def stdout(self) -> IO[bytes]:
        """The child's output, when it was started with ``stdout=subprocess.PIPE``."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def pid(self) -> int:
        """The keeper's process id: the parent of the command."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait ``timeout`` seconds at most; raises ProcessTimeout after that."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessTimeout(
                f"{self.arguments[0]} was still running after {timeout:g} s"
            ) from None

    def kill(self) -> None:
        """Kill the child with all its descendants; returns when they are gone."""
        if self._lifeline is not None:
            # End-of-file on the lifeline makes the keeper kill all of them.
            os.close(self._lifeline)
            self._lifeline = None
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()


def spawn(
    arguments: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start a child that ends when the returned Child is left, or the lab dies.

    Args:
        env: Variables set on top of the lab's own environment.
        pass_fds: File descriptors the command inherits, under the same numbers.

    Raises:
        InfrastructureError: The command is not on this machine.
    """
    command = tuple(os.fspath(argument) for argument in arguments)
    if shutil.which(command[0]) is None:
        raise InfrastructureError(f"{command[0]} is not installed", hint="lab doctor")
    read_end, write_end = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER), str(read_end), *command],
            cwd=cwd,
            env={**os.environ, **env} if env is not None else None,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(read_end, *pass_fds),
            start_new_session=True,
        )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    return Child(process, write_end, command)


def run(
    arguments: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float | None = None,
    log: Path | None = None,
    input: bytes | None = None,
) -> Result:
    """Run a child to its end.

    Args:
        check: Raise ProcessFailed when its status is not 0.
        timeout: Seconds until it is killed and ProcessTimeout raised.
        log: A file its stdout and stderr are appended to, instead of being returned.
        input: Bytes for its stdin; without them it is empty.

    Raises:
        ProcessFailed, ProcessTimeout, InfrastructureError (not installed).
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
                arguments, cwd=cwd, env=env, stdin=source, stdout=stdout, stderr=stderr
            ) as child:
                status = child.wait(timeout)
            duration = time.monotonic() - child.started
        finally:
            if log is not None:
                stdout.close()
        result = Result(child.arguments, status, _read(out), _read(err), duration)
    if check and status != 0:
        raise failure(result, log)
    return result


def failure(result: Result, log: Path | None = None) -> ProcessFailed:
    """The error for a child that ended badly, with the tail of what it said."""
    said = result.stderr or result.stdout
    if log is not None:
        with suppress(OSError):
            said = log.read_text(errors="replace")
    tail = "\n".join(said.splitlines()[-_TAIL_LINES:])
    return ProcessFailed(
        f"`{shlex.join(result.arguments)}` ended with status {result.status}",
        where=log,
        detail=tail or None,
    )


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
