# SPDX-License-Identifier: GPL-2.0-only
"""SSH into a guest with Fabric: its own user name and host key, nothing of the user's."""

from __future__ import annotations

import logging
import stat
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO

import paramiko
from fabric import Config, Connection
from fabric.runners import Remote
from invoke.exceptions import CommandTimedOut, ThreadException
from invoke.terminals import stdin_is_foregrounded_tty
from paramiko.auth_strategy import AuthStrategy, NoneAuth

from lab.errors import InfrastructureError
from lab.guest.command import CommandFlood, CommandResult, CommandTimeout, GuestLost
from lab.guest.qemu.port import NoPort, Port
from lab.image import GuestKeys
from lab.process.deadline import Deadline

# Without a handler of the program's, Python prints what it logs: tracebacks of its threads,
# when a guest dies. The lab says itself what happened.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

#: A shell execs its last command, and Paramiko knows no exit-signal (RFC 4254, 6.10): a
#: program killed by a signal would look like a guest that died.  The shell says 128 + N.
_KEEP_SHELL = "\nexit $?"
#: What the guest's host key is known by; nothing has to resolve it.
_NAME = "guest"
#: QEMU takes longer to its end, on a busy host, than the kernel to its last word.
_DYING_S = 1.0
#: Seconds a guest on a busy host may take to its banner.
_PATIENCE_S = 10.0
#: Of what a command prints: more would be held in memory, and no test has so much to say.
MOST_PRINTED = 32 << 20
#: Of a file that is fetched.
MOST_FETCHED = 256 << 20
_LOST = (paramiko.SSHException, ThreadException, EOFError, OSError)


class _Runner(Remote):  # type: ignore[misc]
    """Fabric's, but a signal to the lab ends the command instead of waiting for its end.

    Invoke's own pieces of 1000 bytes and 10 ms of sleep cost a tenth of a second a command.
    """

    read_chunk_size = 1 << 16
    input_sleep = 0.002
    _killed = False
    _printed = 0

    @property
    def flooded(self) -> bool:
        """Whether it was ended for all that it printed."""
        return self._printed > MOST_PRINTED

    def read_proc_stdout(self, num_bytes: int) -> bytes:
        return self._counted(super().read_proc_stdout(num_bytes))

    def read_proc_stderr(self, num_bytes: int) -> bytes:
        return self._counted(super().read_proc_stderr(num_bytes))

    def _counted(self, data: bytes) -> bytes:
        self._printed += len(data)
        if self.flooded:
            self.channel.close()
            return b""
        return data

    def respond(self, buffer_: list[str]) -> None:
        """Nothing: Invoke would join all that was printed with each piece that comes."""

    def kill(self) -> None:
        """End the command at its deadline: Invoke's timer calls this."""
        self._killed = True
        # Who ends it before its deadline may come before it has a channel.
        if getattr(self, "channel", None) is not None:
            super().kill()

    @property
    def timed_out(self) -> bool:
        """Whether the deadline ended it.

        Invoke asks whether its timer's thread has ended.  Closing the channel wakes whoever
        asks while that thread still runs, and on a busy host it does for long enough: the
        deadline would look like a lost connection.
        """
        return self._killed

    def heard(self) -> tuple[str, ...]:
        """The pieces of what the command has printed so far."""
        return tuple(getattr(self, "stdout", ()))

    def wait(self) -> None:
        try:
            super().wait()
        except BaseException as error:
            # Invoke would join the threads that read before it passes the error on.  On a
            # terminal Ctrl-C is the guest's.
            if not (self.using_pty and isinstance(error, KeyboardInterrupt)):
                self.channel.close()
            raise


class _Passing(_Runner):
    """For what is printed as it comes: none of it is kept, and it may be as much as it likes."""

    @property
    def flooded(self) -> bool:
        return False

    def respond(self, buffer_: list[str]) -> None:
        buffer_.clear()


class _ByName(AuthStrategy):
    """The user name is the secret (lab/image/keys.py): RFC 4252, 5.2, method "none"."""

    def __init__(self, login: str) -> None:
        super().__init__(paramiko.SSHConfig())
        self._login = login

    def get_sources(self) -> Iterator[NoneAuth]:
        yield NoneAuth(self._login)


class Ssh:
    """An SSH connection to a guest, not open yet."""

    def __init__(self, dial: Callable[[], Port], keys: GuestKeys, deadline_s: float) -> None:
        self._dial = dial
        self._deadline_s = deadline_s
        self._connection = _connection(keys, deadline_s)
        self._runner: _Runner | None = None

    def open(self, alive: Callable[[], bool]) -> Ssh:
        """Log in; returns the same.

        Args:
            alive: Whether there is somebody to log in to.

        Raises:
            GuestLost: There is nobody any more.
            InfrastructureError: It could not in time, or the guest has another host key, or
                no port is left.
        """
        _open(self._connection, self._deadline_s, self._dial, alive)
        return self

    def run(self, command: str, deadline_s: float) -> CommandResult:
        """Run a shell command; its exit status is in the result, whatever it is.

        Raises:
            CommandTimeout: It still ran after ``deadline_s`` seconds, or was stopped.
            CommandFlood: It printed more than MOST_PRINTED bytes.
            GuestLost: The connection ended first.
        """
        started = time.monotonic()
        self._runner = None
        try:
            with self._cut_after(2 * deadline_s):
                self._connection.open()
                # Another thread may run something beside it.
                runner = self._runner = _Runner(context=self._connection)
                result = runner.run(
                    command + _KEEP_SHELL,
                    hide=True,
                    warn=True,
                    in_stream=False,
                    timeout=deadline_s,
                    # Not the locale's, which may be ASCII.
                    encoding="utf-8",
                )
        except CommandTimedOut:
            raise self._timeout(command, deadline_s) from None
        except _LOST as error:
            if self._stopped():
                raise self._timeout(command, deadline_s) from None
            lost = GuestLost(f"the connection ended during `{command}`: {error}")
            lost.stdout = self.said()
            raise lost from error
        duration = time.monotonic() - started
        if runner.flooded:
            flood = CommandFlood(f"`{command}` printed more than {MOST_PRINTED >> 20} MiB")
            flood.stdout = result.stdout
            raise flood
        if result.exited is None or result.exited < 0:
            # dropbear sends no exit status when it dies with the guest: no
            # evidence is not a success (osandov/drgn's LostVMError).
            lost = GuestLost(f"`{command}` ended without an exit status")
            lost.stdout = result.stdout
            raise lost
        return CommandResult(result.exited, result.stdout, result.stderr, duration)

    def _timeout(self, command: str, deadline_s: float) -> CommandTimeout:
        timeout = CommandTimeout(f"`{command}` still ran after {deadline_s:g} s")
        timeout.stdout = self.said()
        return timeout

    def _stopped(self) -> bool:
        return self._runner is not None and self._runner.timed_out

    def said(self) -> str:
        """What the last command has printed, so far; for any thread."""
        return "".join(self.heard())

    def heard(self) -> tuple[str, ...]:
        """The same in pieces, as they came."""
        return () if self._runner is None else self._runner.heard()

    def stop(self) -> None:
        """End the command that runs as its deadline would, now; for another thread."""
        if self._runner is not None:
            self._runner.kill()

    def fetch(self, path: str, deadline_s: float, most: int = MOST_FETCHED) -> bytes:
        """A file of the guest, over SFTP.

        Raises:
            InfrastructureError: It is no regular file of at most ``most`` bytes, or cannot be
                read; the message says which.
            CommandTimeout: It did not come in time.
            GuestLost: The connection ended.
        """
        with self._moving(path, "fetched", deadline_s) as client:
            return _read_file(client, path, most)

    def put(self, content: bytes, path: str, deadline_s: float) -> None:
        """Write a file in the guest, over SFTP.

        Raises:
            InfrastructureError: The guest does not take it; the message says why.
            CommandTimeout: It was not written in time.
            GuestLost: The connection ended.
        """
        with self._moving(path, "written", deadline_s):
            self._connection.put(BytesIO(content), remote=path)

    @contextmanager
    def _moving(self, path: str, moved: str, deadline_s: float) -> Iterator[paramiko.SFTPClient]:
        """Open SFTP for a file that is ``moved``, and say what became of that."""
        deadline = Deadline("command", deadline_s)
        late = CommandTimeout(f"{path} was not {moved} in {deadline_s:g} s")
        try:
            with self._cut_after(deadline_s):
                self._connection.open()
                # One for all: dropbear ends where a channel is closed that it writes to.
                client = self._connection.sftp()
                client.get_channel().settimeout(deadline_s)
                yield client
        except TimeoutError as error:
            raise late from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if deadline.passed:
                raise late from error
            if isinstance(error, OSError) and self._connection.is_connected:
                what = f"{path} cannot be {moved}: {error.strerror or error}"
                raise InfrastructureError(what) from error
            raise GuestLost(f"the connection ended while {path} was {moved}: {error}") from error

    def interact(self, command: str | None) -> int:
        """A shell, or a command, on this terminal; returns its exit status.

        Raises:
            GuestLost: The connection ended first.
        """
        terminal = _is_terminal()
        try:
            self._connection.open()
            with _typed_ahead() if terminal else nullcontext():
                result = _Passing(context=self._connection).run(
                    command + _KEEP_SHELL if command else "exec sh -l",
                    pty=terminal,
                    warn=True,
                    encoding="utf-8",
                )
        except _LOST as error:
            raise GuestLost(f"the connection ended: {error}") from error
        if result.exited is None or result.exited < 0:
            raise GuestLost("the command ended without an exit status")
        return int(result.exited)

    @contextmanager
    def _cut_after(self, seconds: float) -> Iterator[None]:
        """Close the connection then: to open a channel waits for a hung guest for ever."""
        timer = threading.Timer(seconds, self._connection.transport.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close the connection, also one whose guest is gone."""
        try:
            self._connection.close()
        except _LOST:
            # Paramiko says goodbye of each channel, SFTP's too, and fails where nobody listens.
            self._connection.client.close()


def _read_file(client: paramiko.SFTPClient, path: str, most: int) -> bytes:
    status = client.stat(path)
    if not stat.S_ISREG(status.st_mode or 0):
        raise InfrastructureError(f"{path} is no regular file of the guest")
    with client.open(path) as stream:
        # What it says of its size it need not keep to; a file of /proc says 0.
        data = bytes(stream.read(most + 1))
    if len(data) > most:
        raise InfrastructureError(f"{path} has more than {most >> 20} MiB")
    return data


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def _typed_ahead() -> Iterator[None]:
    """Pass on each key as it is pressed, and what was typed before there was a guest.

    Invoke 2.2 does the first in a thread of its own, and drops what was typed by then
    (TCSAFLUSH): a shell whose prompt came sooner never saw the first line.
    """
    if not stdin_is_foregrounded_tty(sys.stdin):
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _connection(keys: GuestKeys, deadline_s: float) -> Connection:
    connection = Connection(
        _NAME,
        user=keys.login,
        port=22,
        # The user's ~/.ssh/config is about other hosts.
        config=Config(overrides={"load_ssh_configs": False, "runners": {"remote": _Runner}}),
        connect_timeout=deadline_s,
        connect_kwargs={
            "auth_strategy": _ByName(keys.login),
            # One that was lost is not waited for until the end: another may be had.  A short
            # deadline is for one alone: a busy guest that is given up would be a dead one.
            "banner_timeout": max(deadline_s / 4, min(deadline_s, _PATIENCE_S)),
            "auth_timeout": deadline_s,
            "channel_timeout": deadline_s,
        },
    )
    # Fabric would accept any host key: pin the one made for this guest.
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    connection.client.get_host_keys().add(_NAME, "ssh-ed25519", keys.host_key)
    return connection


def _open(
    connection: Connection,
    deadline_s: float,
    dial: Callable[[], Port],
    alive: Callable[[], bool],
) -> None:
    # A server may be killed, and a key exchange fail (syzkaller#3935): try until the deadline,
    # or until no port is left.
    deadline = Deadline("SSH", deadline_s)
    failed: Exception | None = None
    while True:
        try:
            connection.connect_kwargs["sock"] = dial()
            connection.open()
            return
        except NoPort as error:
            if failed is not None:
                error.what += f": {str(failed) or type(failed).__name__}"
            raise error from failed
        except paramiko.BadHostKeyException as error:
            raise InfrastructureError(f"not the guest's host key: {error}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not alive():
                raise GuestLost(f"nobody is left to log in to: {error}") from error
            if deadline.passed:
                raise InfrastructureError(
                    f"the {deadline}: {error}",
                    hint="raise deadlines.ssh in lab.toml",
                ) from error
            failed = error
            # Its thread would go on to hear what is meant for others.
            connection.client.close()
            _await_death(alive)


def _await_death(alive: Callable[[], bool]) -> None:
    """Give a guest that dies the time for it: each new try takes a port.

    Raises:
        GuestLost: It did.
    """
    deadline = Deadline("death", _DYING_S)
    while not deadline.passed:
        if not alive():
            raise GuestLost("nobody is left to log in to")
        time.sleep(0.05)
