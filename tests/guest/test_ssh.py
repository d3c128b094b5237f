# SPDX-License-Identifier: GPL-2.0-only
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from lab.guest import ssh
from lab.guest.command import CommandTimeout, GuestLost
from lab.guest.command_channel import OtherVersion
from lab.guest.qemu.port import NoPort, Port
from lab.guest.ssh import Ssh
from lab.image import GuestKeys

#: What its runner says first of each.
_NAME = b"its name"
GREETS = b"v" + struct.pack("<I", 1) + bytes([2])
BEGINS = GREETS + b"b" + struct.pack("<I", len(_NAME)) + _NAME


class _Channel:
    """Nothing more comes than what was said, until it is closed."""

    closed = eof_received = False

    def __init__(self, said: bytes) -> None:
        self._ended = threading.Event()
        self._left = 0.0
        self._said = said

    def exec_command(self, command: str) -> None:
        pass

    def settimeout(self, seconds: float) -> None:
        self._left = seconds

    def sendall(self, data: bytes) -> None:
        # It is told by which name it knows the command.
        self._said = self._said.replace(_NAME, data[4 : 4 + len(_NAME)])

    def recv(self, size: int) -> bytes:
        said, self._said = self._said, b""
        if not said and not self._ended.wait(self._left):
            raise TimeoutError
        return said

    def recv_ready(self) -> bool:
        return False

    def recv_stderr_ready(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
        self._ended.set()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Ssh]:
    """A connection whose guest says so much and then nothing."""

    def connect(said: bytes) -> Ssh:
        monkeypatch.setattr(Ssh, "_session", lambda _: _Channel(said))
        monkeypatch.setattr(Ssh, "_cut_after", lambda *_: nullcontext())
        return Ssh(_Dialler(0), GuestKeys.make(), 60)

    return connect


@pytest.fixture
def connected(connect: Callable[[bytes], Ssh]) -> Ssh:
    """One whose guest begins each command."""
    return connect(BEGINS)


@pytest.mark.parametrize(
    "said", [b"", BEGINS[:3], BEGINS + bytes(5), BEGINS[:-1] + b"?", GREETS + b"o" + BEGINS[7:]]
)
def test_who_does_not_begin_is_no_command_that_hangs(
    connect: Callable[[bytes], Ssh], said: bytes
) -> None:
    with pytest.raises(GuestLost, match=r"`true`: (it did not begin in 0\.1 s|no answer)"):
        connect(said).run("true", 0.05)


@pytest.mark.parametrize("said", [BEGINS[6:], GREETS[:-1] + bytes([1]), GREETS[1:] + BEGINS])
def test_who_speaks_otherwise_is_no_guest_that_is_lost(
    connect: Callable[[bytes], Ssh], said: bytes
) -> None:
    """A lab that was replaced while it runs finds another init: no kernel did that."""
    with pytest.raises(OtherVersion, match="different versions"):
        connect(said + bytes(300)).run("true", 0.05)


@pytest.mark.parametrize("name", [b"o", b"e"])
def test_who_says_nothing_without_an_end_is_no_guest(
    connect: Callable[[bytes], Ssh], name: bytes
) -> None:
    with pytest.raises(GuestLost, match="no answer: 0 bytes"):
        connect(BEGINS + (name + bytes(4)) * 3).run("true", 0.05)


def test_deadline_is_no_lost_connection(connected: Ssh) -> None:
    with pytest.raises(CommandTimeout, match=r"`sleep 600` still ran after 0\.05 s"):
        connected.run("sleep 600", 0.05)


def test_a_goodbye_that_nobody_hears_changes_no_end(
    connected: Ssh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closes(channel: _Channel) -> None:
        raise EOFError

    monkeypatch.setattr(_Channel, "close", closes)
    with pytest.raises(CommandTimeout, match=r"`sleep 600` still ran after 0\.05 s"):
        connected.run("sleep 600", 0.05)
    connected.stop()


def test_who_is_stopped_was_late(connected: Ssh) -> None:
    """Its channel is closed for it, which looks like a lost connection."""
    timer = threading.Timer(0.05, connected.stop)
    timer.start()
    with pytest.raises(CommandTimeout, match="`sleep 600` still ran after 60 s"):
        connected.run("sleep 600", 60)
    timer.join()


class _Dialler:
    """Ports at which nobody answers, as when QEMU or a server has just ended."""

    def __init__(self, ports: int) -> None:
        self.left = ports

    def __call__(self) -> Port:
        if not self.left:
            raise NoPort("all are used up")
        self.left -= 1
        (end, other), (news, _) = socket.socketpair(), socket.socketpair()
        other.close()
        return Port(end, news, lambda: True)


def test_guest_that_dies_is_not_out_of_ports() -> None:
    """The kernel's last word comes before QEMU's end: to dial on would use up all ports."""
    died = time.monotonic() + 0.4
    dial = _Dialler(3)
    with pytest.raises(GuestLost):
        Ssh(dial, GuestKeys.make(), 60).open(lambda: time.monotonic() < died)
    assert dial.left > 0


def test_why_no_connection_could_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_DYING_S", 0.01)
    with pytest.raises(NoPort, match="all are used up: EOFError") as caught:
        Ssh(_Dialler(3), GuestKeys.make(), 60).open(lambda: True)
    assert caught.value.__cause__ is not None
