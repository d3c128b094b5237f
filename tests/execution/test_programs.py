# SPDX-License-Identifier: GPL-2.0-only
"""What is told while programs are built."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.execution import programs
from lab.execution.programs import Programs
from lab.suites.suite import BuiltPrograms
from tests.doors.exit_status import ExitStatus


class Slow(ExitStatus):
    """Takes as long as it is told."""

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        time.sleep(float(programs[0]))
        return BuiltPrograms({}, {})


@pytest.mark.parametrize(("seconds", "told"), [("0.5", True), ("0", False)])
def test_what_takes_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str, told: bool
) -> None:
    monkeypatch.setattr(programs, "_SILENT_S", 0.1)
    said: list[str] = []
    Programs({Slow(tmp_path): (seconds, "b", "c", "d")}, ()).build(tmp_path, say=said.append)
    assert said == ([f"{seconds}, b, c, ...: being built"] if told else [])
