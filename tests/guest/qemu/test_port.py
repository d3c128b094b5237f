# SPDX-License-Identifier: GPL-2.0-only
"""The lab's end of an SSH port: when it ends, and what it says before that."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lab.guest.qemu.port import Port
from lab.guest.qemu.process import Vm
from lab.guest.timeline import Timeline


class Guest:
    """The other ends: QEMU's, and what init says."""

    def __init__(self) -> None:
        self.end, lab = socket.socketpair()
        self.said, news = socket.socketpair()
        self.ended = False
        self.port = Port(lab, news, self._hear)
        self._news = news

    def _hear(self) -> bool:
        with suppress(BlockingIOError):
            self.ended = self._news.recv(64, socket.MSG_DONTWAIT) in (b"ended", b"") or self.ended
        return self.ended

    def close(self) -> None:
        for end in (self.end, self.said, self._news):
            end.close()
        self.port.close()


@pytest.fixture
def guest() -> Iterator[Guest]:
    guest = Guest()
    guest.port.settimeout(10)
    yield guest
    guest.close()


def test_server_that_ended_is_the_end(guest: Guest) -> None:
    guest.said.send(b"ended")
    assert guest.port.recv(64) == b""
    assert guest.port.recv(64) == b""


def test_end_that_another_thread_heard_of(guest: Guest) -> None:
    guest.port.settimeout(0.01)
    guest.ended = True
    assert guest.port.recv(64) == b""


def test_what_was_said_before_the_end_is_heard(guest: Guest) -> None:
    guest.end.send(b"last words")
    guest.said.send(b"ended")
    assert guest.port.recv(4) + guest.port.recv(64) == b"last words"
    assert guest.port.recv(64) == b""


def test_last_words_that_are_late(guest: Guest) -> None:
    """Init says it through the CPU's own thread, QEMU forwards the port's from another."""
    guest.said.send(b"ended")
    late = threading.Timer(0.01, guest.end.send, [b"last words"])
    late.start()
    assert guest.port.recv(64) == b"last words"
    late.join()


def test_qemu_that_died_is_the_end(guest: Guest) -> None:
    guest.end.close()
    assert guest.port.recv(64) == b""


def test_other_news_end_nothing(guest: Guest) -> None:
    guest.port.settimeout(0.05)
    guest.said.send(b"awake")
    with pytest.raises(TimeoutError):
        guest.port.recv(64)
    guest.end.send(b"more")
    assert guest.port.recv(64) == b"more"


def test_one_that_another_thread_closed(guest: Guest) -> None:
    guest.port.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        guest.port.recv(64)


def test_closing_it_is_an_end_of_file_for_the_guest(guest: Guest) -> None:
    guest.port.close()
    assert guest.end.recv(64) == b""


def test_qemu_that_dies_with_an_order_unread() -> None:
    """It is a reset connection then, and no end-of-file: of QEMU's, all the same."""
    vm = object.__new__(Vm)
    vm._marks, other = socket.socketpair()
    vm._hearing, vm._rest, vm.timeline = threading.Lock(), b"", Timeline()
    with vm._marks:
        vm._marks.send(b"wake")
        other.close()
        assert not vm._listen(1)
