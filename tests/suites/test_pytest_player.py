# SPDX-License-Identifier: GPL-2.0-only
"""The lab's end of a process of pytest."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.guest.fake import FakeSpec, Stage
from lab.guest.wire import Wire
from lab.suites import pytest_player
from lab.suites.on_host import Place
from lab.suites.pytest_player import Player
from lab.suites.pytest_programs import BROKEN, PASSED

PLACE = Place("6.1", "6.1.192", "ext4-dax", "/mnt/ext4-dax")


def test_what_a_test_says_after_its_deadline_is_not_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytest_player, "_ENDING_S", 0.0)
    ours, theirs = socket.socketpair()
    with ours, theirs, FakeSpec(tmp_path, Stage()).guest() as guest:
        player = Player(Wire(ours), ())
        assert player.play("test_it.py", "test_slow", guest, PLACE, 0.0).status == BROKEN
        Wire(theirs).send(played={"status": PASSED, "output": "of test_slow"})
        end = player.play("test_it.py", "test_next", guest, PLACE, 20.0)
    assert (end.output, end.status) == ("", BROKEN)
    assert isinstance(end.trouble, UserError)
    assert "an earlier one still ran at its deadline" in end.trouble.what
