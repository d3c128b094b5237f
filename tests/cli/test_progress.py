# SPDX-License-Identifier: GPL-2.0-only
"""How far a build is, on a terminal and in a log."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from lab.build import Step
from lab.cli import progress as show
from lab.cli.progress import Far, HowFar, Show, _columns

STEP = Step("CC", "mm/gup.o", 400, 1200)


@pytest.mark.parametrize(
    ("number", "total", "seconds", "left"),
    [
        (400, 1200, 60, "about 2 min left"),
        (1150, 1200, 60, "less than 1 min left"),
        (1200, 1200, 60, "less than 1 min left"),
        (3, 1200, 60, ""),
        (1300, 1200, 60, ""),
        (400, None, 60, ""),
    ],
)
def test_what_is_left(number: int, total: int | None, seconds: float, left: str) -> None:
    assert Far(Step("CC", "mm/gup.o", number, total), 1000, 1000 + seconds).left == left


def test_a_second_build_of_the_variant_begins_anew() -> None:
    # A host that came up just now has no 1000 seconds yet.
    first = Far.of(STEP, Far(STEP, 0.5, 0.5))
    assert first.begun == 0.5
    assert Far.of(Step("CC", "mm/gup.o", 1, 9), first).begun > 0.5


def test_a_line_now_and_then_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(show, "_EVERY_S", 0.01)
    with Show(Path("unused")) as shown:
        shown.step("6.1", STEP)
        _until_said(said, "6.1: 400 of about 1200 steps")
        # Nothing is new: it is said once.
        time.sleep(0.1)
        shown.step("6.1", Step("CC", "mm/mlock.o", 401, None))
        _until_said(said, "6.1: 401 steps (CC mm/mlock.o)")
    assert said.getvalue().count("400 of about") == 1
    before = said.getvalue()
    time.sleep(0.05)
    assert said.getvalue() == before


def test_a_build_of_seconds_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_EVERY_S", 0.4)
    said: list[str] = []
    with HowFar(said.append) as how_far:
        how_far.step("slow", STEP)
        time.sleep(0.25)
        how_far.step("quick", STEP)
        deadline = time.monotonic() + 10
        while not said:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert said == [f"slow: {Far.of(STEP, None)}"]


def test_a_build_that_is_silent_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_EVERY_S", 0.01)
    monkeypatch.setattr(show, "_SILENT_S", 0.0)
    said: list[str] = []
    with HowFar(said.append) as how_far:
        how_far.step("ended", STEP)
        time.sleep(0.1)
    assert not said


def _until_said(said: io.StringIO, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in said.getvalue():
        assert time.monotonic() < deadline, said.getvalue()
        time.sleep(0.01)


def test_quiet_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show, "_EVERY_S", 0.01)
    with Show(Path("unused"), quiet=True) as shown:
        shown.step("6.1", STEP)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("width", [50, 80])
def test_how_long_it_takes_is_not_cut(width: int) -> None:
    name = "6.1+reintroduce-bug+dax-populate"
    out = io.StringIO()
    console = Console(width=width, file=out, force_terminal=True, color_system=None)
    progress = Progress(*_columns(width), console=console)
    progress.add_task(name, total=1200, completed=400, last="CC x", left="less than 1 min left")
    progress.add_task(f"{name} ext4-dax", total=None, completed=7, last="pass x", left="")
    console.print(progress)
    first, second, *_ = out.getvalue().splitlines()
    assert first.split()[1:2] == ["400"]
    assert first.rstrip().endswith("less than 1 min left")
    assert second.split()[1:3] == ["ext4-dax", "7"] or second.split()[:2] == ["...ext4-dax", "7"]
    assert "…" not in first + second
