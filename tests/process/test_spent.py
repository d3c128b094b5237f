# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of the lab and of what it ends."""

from __future__ import annotations

import subprocess
import time

import pytest

from lab.process.spent import cpu_of, note_child, spent_s


@pytest.mark.slow
def test_what_a_child_had_is_known_while_it_lives() -> None:
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        until = time.monotonic() + 60
        while cpu_of(busy.pid) < 0.2 and time.monotonic() < until:
            time.sleep(0.05)
        assert cpu_of(busy.pid) >= 0.2
    finally:
        busy.kill()
        busy.wait()
    assert cpu_of(busy.pid) == 0


def test_what_is_noted_counts() -> None:
    before = spent_s()
    note_child(7.0)
    assert spent_s() - before >= 7.0
