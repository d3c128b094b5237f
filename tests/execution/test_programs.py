# SPDX-License-Identifier: GPL-2.0-only
"""What is told while programs are built."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.builder import Silent
from lab.errors import LabError, UserError
from lab.execution import programs
from lab.execution.prepare import Preparer
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


class _Bench:
    """A Preparer, and how often its programs were built."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file, self.failed = tmp_path / "program", False
        self.built = 0
        monkeypatch.setattr(Programs, "build", self.build)
        monkeypatch.setattr(Programs, "of", staticmethod(lambda *_: Programs({}, ())))
        builder = SimpleNamespace(
            require_buildable=lambda: None, loaded=None, cache=tmp_path, listener=Silent()
        )
        self.preparer = Preparer(cast(Any, builder))

    def build(self, *_: object) -> BuiltPrograms:
        self.built += 1
        self.file.write_text(str(self.built))
        failed: dict[str, LabError] = {"b": UserError("no")} if self.failed else {}
        return BuiltPrograms({"a": self.file}, failed)

    def ask(self, kernel: str) -> BuiltPrograms:
        return self.preparer.programs(["populate"], cast(Any, SimpleNamespace(key=kernel)))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Bench:
    return _Bench(tmp_path, monkeypatch)


def test_the_jobs_of_a_kernel_have_the_same_programs(bench: _Bench) -> None:
    assert bench.ask("one") is bench.ask("one")
    assert bench.built == 1
    # Some are made from the kernel's tree.
    bench.ask("other")
    assert bench.built == 2


def test_a_program_that_is_gone_is_built_again(bench: _Bench) -> None:
    bench.ask("one")
    bench.file.unlink()
    assert bench.ask("one").files["a"].read_text() == "2"


def test_what_could_not_be_built_is_tried_again(bench: _Bench) -> None:
    bench.failed = True
    assert bench.ask("one").failed
    bench.failed = False
    assert not bench.ask("one").failed
