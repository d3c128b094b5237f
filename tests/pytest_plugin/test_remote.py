# SPDX-License-Identifier: GPL-2.0-only
"""Who asks a guest has the answer to that, and no other test's guest."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lab.errors import InfrastructureError
from lab.guest.wire import Wire, WireEnded
from lab.pytest_plugin.remote import Filesystem, Guest
from lab.pytest_plugin.stage import Stage, on_stage


def _answer(wire: Wire) -> None:
    """As a lab does: one after the other, what was asked first at first; "slow" takes longer."""
    try:
        while True:
            command = str(wire.receive()["command"])
            time.sleep(0.3 if command == "slow" else 0.0)
            wire.send(status=0, stdout=command, stderr="", duration_s=0.0)
    except WireEnded:
        pass


@pytest.fixture
def guest() -> Iterator[Guest]:
    ours, theirs = map(Wire, socket.socketpair())
    lab = threading.Thread(target=_answer, args=(theirs,), daemon=True)
    lab.start()
    yield Guest(ours, "6.1", "6.1.1")
    ours.close()
    lab.join()


def test_each_thread_has_its_own_answer(guest: Guest) -> None:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(guest.run("slow").stdout))
    thread.start()
    time.sleep(0.1)
    assert guest.run("quick").stdout == "quick"
    thread.join()
    assert said == ["slow"]


def test_a_guest_that_was_kept_is_no_later_test_s(guest: Guest) -> None:
    with on_stage(Stage(guest, Filesystem("ext4-dax", "/mnt", {}))):
        guest.run("quick")
    with pytest.raises(InfrastructureError, match="was an earlier test's, and is gone"):
        guest.run("quick")


def test_what_a_thread_still_asks_is_answered_before_the_next_test_begins(guest: Guest) -> None:
    """They have one wire: the next would have that answer."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(guest.run("slow").stdout))
    with on_stage(Stage(guest, Filesystem("ext4-dax", "/mnt", {}))):
        thread.start()
        time.sleep(0.1)
    assert Guest(guest._wire, "6.1", "6.1.1").run("quick").stdout == "quick"
    thread.join()
    assert said == ["slow"]
