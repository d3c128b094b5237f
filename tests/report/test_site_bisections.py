# SPDX-License-Identifier: GPL-2.0-only
"""Bisections in a report: what was asked, each step, how sure, and where its run is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bisect.folder import Bisections
from lab.bisect.point import Point
from lab.bisect.records import _trials, bisection_records
from lab.bisect.told import Seen, Sight, Trial
from lab.model.bisection import (
    BisectionRecord,
    BisectionState,
    BisectionStep,
    PointName,
    StepSide,
    TrialSaid,
)
from lab.report.site.bisections import Bisected, chosen, shown_steps
from tests.bisect.conftest import _no_power_cut  # noqa: F401  (autouse)
from tests.bisect.played import PASSES
from tests.report.bisected import (
    FIRST_BAD,
    LAST,
    UNBUILT,
    bisected,
    breaks_off,
    flaky,
    hostile,
    report_beside,
    shows,
    unbuilt,
)
from tests.report.recorded import HOSTILE
from tests.report.test_site import Page, read


def page_of(folder: Path, name: str) -> Page:
    return read(folder / "bisections" / f"{name}.html")


def text_of(page: Page) -> str:
    return " ".join(" ".join(page.said).split())


def test_a_bisection_has_a_page(tmp_path: Path) -> None:
    name = bisected(tmp_path, shows)
    folder = report_beside(tmp_path)
    said = text_of(page_of(folder, name))
    assert f"commit {FIRST_BAD} is the first bad one" in said
    assert "not proved" not in said
    assert "test mmap" in said
    assert "bad end commit 16" in said
    assert "good end commit 0" in said
    assert "commit 6 fails: mmap: fail: 3 of 4 pages are not present" in said
    assert "probability 99.3%" in said
    assert f"Skipped Of these nobody knows on which side they are. commit {UNBUILT} :" in said
    assert "error: expected ';'" in said
    assert f"lab bisect log {name}" in said


def test_of_what_was_mended_the_old_side_fails() -> None:
    """Neither is marked as the worse one, then."""

    def signs(words: tuple[str, str]) -> list[tuple[str, str]]:
        steps = tuple(
            BisectionStep(1, "step", PointName("p", ""), side, word, "", (), 0.0, 0.0)
            for side, word in zip((StepSide.OLD, StepSide.NEW), words, strict=True)
        )
        record = BisectionRecord("b", BisectionState.FOUND, words=words, steps=steps)
        return [(row.mark.sign, row.mark.css) for row in shown_steps(record, Bisected())]

    assert signs(("good", "bad")) == [("✓", "pass"), ("✗", "fail odd")]
    assert signs(("old", "new")) == [("○", "skip"), ("●", "skip")]


def test_each_step_says_what_it_was_for_and_what_each_trial_said(tmp_path: Path) -> None:
    bisected(tmp_path, shows)
    (record,) = bisection_records(tmp_path)
    folder = report_beside(tmp_path)
    page = page_of(folder, record.id)
    said = text_of(page)
    assert len(page.of_class("row")) == len(record.steps)
    assert [step.number for step in record.steps] == list(range(1, len(record.steps) + 1))
    sides = [step.side for step in record.steps]
    assert sides[:2] == [StepSide.NEW, StepSide.OLD]
    assert {*sides} == {*StepSide} - {StepSide.OPEN}
    for step in record.steps:
        assert f"{step.number} · {step.purpose}" in said
        assert f"build {step.build_s:.0f} s, test {step.test_s:.0f} s" in said
        for trial in step.trials:
            assert f"{trial.said} ·" in said
            assert f"../runs/{trial.run}.html" in page.links


def test_trials_that_say_the_same_are_said_once() -> None:
    said = [TrialSaid("passes", 2, "r"), TrialSaid("fails: x", 1, "r"), TrialSaid("passes", 1, "s")]
    shown = [PASSES, PASSES, Seen(Sight.FAILS, "x")]
    trials = [*(Trial(seen, "r") for seen in shown), Trial(PASSES, "s")]
    assert list(_trials(trials)) == said


def test_the_first_page_leads_there(tmp_path: Path) -> None:
    name = bisected(tmp_path, shows)
    index = read(report_beside(tmp_path) / "index.html")
    assert f"bisections/{name}.html" in index.links
    assert "bisections.html" in index.links
    assert "This run is" not in text_of(index)


def test_a_report_without_bisections_does_not_speak_of_any(tmp_path: Path) -> None:
    folder = report_beside(tmp_path)
    assert "isection" not in (folder / "index.html").read_text()
    assert not (folder / "bisections.html").exists()


def test_a_run_that_is_a_step_says_so_and_is_its_own_page(tmp_path: Path) -> None:
    name = bisected(tmp_path, shows)
    (record,) = bisection_records(tmp_path)
    own = record.steps[3].trials[0].run
    folder = report_beside(tmp_path, own=own)
    index = read(folder / "index.html")
    assert f"bisections/{name}.html#step-4" in index.links
    assert f"step 4 of bisection {name}" in text_of(index)
    assert "../index.html" in page_of(folder, name).links
    assert f"../runs/{own}.html" not in page_of(folder, name).links
    assert not (folder / "runs" / f"{own}.html").exists()


def test_a_step_whose_run_is_gone_keeps_what_it_said(tmp_path: Path) -> None:
    name = bisected(tmp_path, shows)
    folder = report_beside(tmp_path, known=frozenset())
    page = page_of(folder, name)
    assert not [link for link in page.links if "runs/" in link]
    assert "16-1" in text_of(page)
    assert not list((folder / "runs").iterdir())


def test_the_page_of_a_steps_run(tmp_path: Path) -> None:
    name = bisected(tmp_path, shows)
    page = read(report_beside(tmp_path) / "runs" / "16-1.html")
    assert "mmap" in text_of(page)
    assert f"{HOSTILE} in 16-1" in text_of(page)
    assert f"../bisections/{name}.html#step-1" in page.links


@pytest.mark.parametrize(
    ("show", "state", "headline"),
    [
        (unbuilt, BisectionState.UNDECIDED, f"One of {LAST}, which cannot be told apart"),
        (breaks_off, BisectionState.INTERRUPTED, "Interrupted after step 3"),
        (lambda *_: PASSES, BisectionState.REFUSED, "Refused: the ends are not as was said"),
        (flaky, BisectionState.FOUND, f"commit {FIRST_BAD} is the first bad one"),
    ],
)
def test_what_it_came_to(
    tmp_path: Path, show: Callable[[Point, int], Seen], state: BisectionState, headline: str
) -> None:
    name = bisected(tmp_path, show)
    (record,) = bisection_records(tmp_path)
    assert (record.state, record.headline) == (state, headline)
    folder = report_beside(tmp_path)
    assert headline in text_of(page_of(folder, name))
    assert headline in text_of(read(folder / "index.html"))


def test_one_that_was_interrupted_says_how_it_goes_on(tmp_path: Path) -> None:
    name = bisected(tmp_path, breaks_off)
    (record,) = bisection_records(tmp_path)
    assert [step.side for step in record.steps][2:] == [StepSide.OPEN]
    said = text_of(page_of(report_beside(tmp_path), name))
    assert "Nobody is at work on it: the command that began it goes on" in said
    assert "not counted: no space left on device" in said
    assert "is the first bad" not in said


def test_one_that_somebody_is_at_work_on(tmp_path: Path) -> None:
    name = bisected(tmp_path, breaks_off)
    with Bisections(tmp_path).held(name):
        (record,) = bisection_records(tmp_path)
        said = text_of(page_of(report_beside(tmp_path), name))
    assert record.state is BisectionState.GOES_ON
    assert "a lab is at work on it" in said
    # To look is not to take it.
    with Bisections(tmp_path).held(name):
        pass


def test_why_the_ends_are_none_is_said(tmp_path: Path) -> None:
    name = bisected(tmp_path, lambda *_: PASSES)
    (record,) = bisection_records(tmp_path)
    assert {step.side for step in record.steps} == {StepSide.OPEN}
    assert "the bad end commit 16 passes" in text_of(page_of(report_beside(tmp_path), name))


def test_one_of_several_names_all(tmp_path: Path) -> None:
    name = bisected(tmp_path, unbuilt)
    said = text_of(page_of(report_beside(tmp_path), name))
    assert "The first bad one is one of these commit 1 commit 2" in said


def test_a_log_that_is_damaged_costs_no_other(tmp_path: Path) -> None:
    good = bisected(tmp_path, shows)
    Bisections(tmp_path).log("20990101-000000-ffff").parent.mkdir(parents=True)
    Bisections(tmp_path).log("20990101-000000-ffff").write_text("no\n")
    folder = report_beside(tmp_path)
    index = text_of(read(folder / "index.html"))
    assert "Its log cannot be read" in index
    assert f"commit {FIRST_BAD} is the first bad one" in index
    assert "it is no bisection's log" in text_of(page_of(folder, "20990101-000000-ffff"))
    assert page_of(folder, good).said


def test_hostile_text_is_text(tmp_path: Path) -> None:
    name = bisected(tmp_path, hostile, asked=HOSTILE)
    folder = report_beside(tmp_path)
    for page in (folder / "bisections" / f"{name}.html", *(folder / "runs").iterdir()):
        text = page.read_text()
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text
        assert "\x1b" not in text
        assert not [
            found for tag, found in read(page).tags if tag == "script" and "src" not in found
        ]
    assert HOSTILE not in (folder / "index.html").read_text()


def test_old_ones_have_no_page_unless_the_run_is_a_step(tmp_path: Path) -> None:
    bisected(tmp_path, shows)
    (record,) = bisection_records(tmp_path)
    many = [replace(record, id=str(number), steps=()) for number in range(20)]
    assert len(chosen([*many, record], "other")) == 12
    assert chosen([*many, record], record.runs[0])[12:] == (record,)


def test_of_a_set_nothing_is_the_first() -> None:
    record = BisectionRecord("x", BisectionState.FOUND, found=PointName("CONFIG_A=y"), proved=True)
    assert record.headline == "CONFIG_A=y is the first bad one"
    assert replace(record, of_parts=True).headline == "CONFIG_A=y makes it bad"
    assert replace(record, proved=False).headline == "CONFIG_A=y is the first bad one, not proved"
