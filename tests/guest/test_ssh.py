# SPDX-License-Identifier: GPL-2.0-only
import socket
import threading
import time

import pytest
from fabric import Connection
from invoke.exceptions import CommandTimedOut

from lab.guest import ssh
from lab.guest.command import GuestLost
from lab.guest.qemu.port import NoPort, Port
from lab.guest.ssh import Ssh, _Runner
from lab.image import GuestKeys


class _Channel:
    """Ends when it is closed, and lets whoever waits for that run first."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self.asked = threading.Event()

    def exec_command(self, command: str) -> None:
        pass

    def recv(self, size: int) -> bytes:
        self._closed.wait(10)
        return b""

    recv_stderr = recv

    def exit_status_ready(self) -> bool:
        return self._closed.is_set()

    def recv_exit_status(self) -> int:
        return -1

    def close(self) -> None:
        self._closed.set()
        # The timer's thread is not scheduled again until all is over.
        if threading.current_thread() is not threading.main_thread():
            self.asked.wait(10)


def test_deadline_is_no_lost_connection_on_a_busy_host(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = _Channel()
    monkeypatch.setattr(Connection, "create_session", lambda _: channel)
    runner = _Runner(context=Connection("127.0.0.1"))
    try:
        with pytest.raises(CommandTimedOut):
            runner.run("sleep 600", hide=True, warn=True, in_stream=False, timeout=0.05)
    finally:
        channel.asked.set()


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
