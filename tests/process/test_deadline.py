# SPDX-License-Identifier: GPL-2.0-only
"""What a deadline says of itself."""

from __future__ import annotations

import time

from lab.process.deadline import Deadline


def test_deadline_says_its_name_and_what_is_left() -> None:
    deadline = Deadline("fetch", 30.0, begun=time.monotonic() - 10)
    assert not deadline.passed
    assert 0 < deadline.left_s <= 20
    assert str(deadline) == "fetch deadline of 30 s passed"


def test_deadline_passes_with_its_last_second() -> None:
    deadline = Deadline("SSH", 2.5, begun=time.monotonic() - 2.5)
    assert deadline.passed
    assert deadline.left_s <= 0


def test_a_deadline_of_no_seconds_has_passed() -> None:
    assert Deadline("build", 0).passed
