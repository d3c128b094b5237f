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
from invoke.exceptions import ThreadException
from invoke.terminals import stdin_is_foregrounded_tty
from paramiko.auth_strategy import AuthStrategy, NoneAuth

from lab.errors import InfrastructureError
from lab.guest.command import CommandFlood, CommandResult, CommandTimeout, GuestLost
from lab.guest.command_channel import BrokenOff, CommandChannel, Late
from lab.guest.qemu.port import NoPort, Port
from lab.image import GuestKeys
from lab.process.deadline import Deadline

# Without a handler of the program's, Python prints what it logs: tracebacks of its threads,
# when a guest dies. The lab says itself what happened.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

#: A shell execs its last command: a program killed by a signal would look like a shell that
#: was, and a shell has no say in its guest's death.  The shell says 128 + N.
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
_LOST = (paramiko.SSHException, ThreadException, BrokenOff, EOFError, OSError)


class _Passing(Remote):  # type: ignore[misc]
    """Fabric's, for what is printed as it comes: none of it is kept.

    Invoke's own pieces of 1000 bytes and 10 ms of sleep cost a tenth of a second a command.
    """

    read_chunk_size = 1 << 16
    input_sleep = 0.002

    def respond(self, buffer_: list[str]) -> None:
        buffer_.clear()

    def wait(self) -> None:
        try:
            super().wait()
        except BaseException as error:
            # Invoke would join the threads that read before it passes the error on.  On a
            # terminal Ctrl-C is the guest's.
            if not (self.using_pty and isinstance(error, KeyboardInterrupt)):
                self.channel.close()
            raise


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
        #: Where the last command runs, and where none does.
        self._channel: CommandChannel | None = None
        self._idle: list[CommandChannel] = []
        self._choosing = threading.Lock()

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

    def run(self, command: str, deadline_s: float, then: str | None = None) -> CommandResult:
        """Run a shell command; its exit status is in the result, whatever it is.

        Args:
            then: The one that runs next, if one will; see CommandChannel.run().

        Raises:
            CommandTimeout: It still ran after ``deadline_s`` seconds, or was stopped.
            CommandFlood: It printed more than MOST_PRINTED bytes.
            GuestLost: The connection ended first.
        """
        self._channel = None
        text = command + _KEEP_SHELL
        following = None if then is None else then + _KEEP_SHELL
        try:
            with self._cut_after(2 * deadline_s):
                channel = self._channel = self._take_channel(text)
                status = channel.run(text, deadline_s, MOST_PRINTED, following)
        except Late:
            raise self._timeout(command, deadline_s) from None
        except _LOST as error:
            if self._stopped():
                raise self._timeout(command, deadline_s) from None
            raise self._lost(f"the connection ended during `{command}`: {error}") from error
        if channel.stopped:
            raise self._timeout(command, deadline_s)
        if channel.printed > MOST_PRINTED:
            flood = CommandFlood(f"`{command}` printed more than {MOST_PRINTED >> 20} MiB")
            flood.stdout = self.said()
            raise flood
        if status is None:
            # No evidence is not a success (osandov/drgn's LostVMError).
            raise self._lost(f"`{command}` ended without an exit status")
        with self._choosing:
            self._idle.append(channel)
        stdout, stderr = "".join(channel.stdout()), "".join(channel.stderr())
        return CommandResult(status, stdout, stderr, channel.took_s)

    def _take_channel(self, command: str) -> CommandChannel:
        """One for this thread alone: another may run something beside it."""
        with self._choosing:
            self._idle = [channel for channel in self._idle if channel.is_open]
            # One that was told another command has that to run.
            free = [channel for channel in self._idle if channel.ahead in (command, None)]
            if not free:
                return CommandChannel(self._session)
            idle = max(free, key=lambda channel: channel.ahead is not None)
            self._idle.remove(idle)
        # An interrupt may come before it runs anything.
        idle.forget()
        return idle

    def _session(self) -> paramiko.Channel:
        self._connection.open()
        session: paramiko.Channel = self._connection.create_session()
        return session

    def _lost(self, what: str) -> GuestLost:
        lost = GuestLost(what)
        lost.stdout = self.said()
        return lost

    def _timeout(self, command: str, deadline_s: float) -> CommandTimeout:
        timeout = CommandTimeout(f"`{command}` still ran after {deadline_s:g} s")
        timeout.stdout = self.said()
        return timeout

    def _stopped(self) -> bool:
        return self._channel is not None and self._channel.stopped

    def forget(self) -> None:
        """Know no more what the last command printed: another is going to run."""
        if self._channel is not None:
            self._channel.forget()

    def said(self) -> str:
        """What the last command has printed, so far; for any thread."""
        return "".join(self.heard())

    def heard(self) -> tuple[str, ...]:
        """The same in pieces, as they came."""
        return () if self._channel is None else self._channel.stdout()

    def stop(self) -> None:
        """End the command that runs as its deadline would, now; for another thread."""
        if self._channel is not None:
            self._channel.stop()

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
        config=Config(overrides={"load_ssh_configs": False}),
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
