# SPDX-License-Identifier: GPL-2.0-only
"""What became of a series' mutants, on its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.mutants.mutant import Kind, Mutant
from lab.report.mutants import mutants_to_json
from lab.report.site.mutants import shown_mutants
from lab.results import write_json
from tests.results.made import run

MUTANT = Mutant("mm/gup.c", 500, Kind.OPERAND, "!pages", "", b"new\x1b\n", b"\told\n")
TESTS = tuple(f"t{number} on ext4-dax" for number in range(15))
SCORE = MutantScore(
    "v4.2",
    results=(
        MutantResult(1, MUTANT, Fate.NOTICED, "mlock.a on ext4-dax: fail"),
        MutantResult(2, replace(MUTANT, after="pages"), Fate.SURVIVED, "", TESTS),
    ),
    of=2,
)


def kept(tmp_path: Path, score: MutantScore = SCORE) -> Path:
    document = mutants_to_json("dax-populate", "run", [score], finished=True)
    return write_json(tmp_path / "mutants.json", document)


def test_survivors_come_first_with_the_tests_that_ran(tmp_path: Path) -> None:
    kept(tmp_path)
    (found,) = shown_mutants(run(folder=str(tmp_path)), "dax-populate")
    assert found.sentence == "Tests noticed 1 of 2. Of 2: 1 noticed, 1 survived."
    survivor, noticed = found.mutants
    assert (survivor.place, survivor.change) == ("mm/gup.c:500", "!pages → pages")
    assert survivor.said.startswith("ran without noticing: t0 on ext4-dax, t1")
    assert survivor.said.endswith(", and 3 more")
    assert (noticed.change, noticed.said) == ("without !pages", "mlock.a on ext4-dax: fail")
    # What a patch holds does nothing to a page.
    assert "\x1b" not in survivor.diff
    assert "-   old" in survivor.diff


def test_another_series_has_none_of_these(tmp_path: Path) -> None:
    kept(tmp_path)
    assert shown_mutants(run(folder=str(tmp_path)), "another") == []


@pytest.mark.parametrize("text", ["", "{}", '{"series": "dax-populate"}', "[1]"])
def test_what_is_damaged_is_not_shown(tmp_path: Path, text: str) -> None:
    kept(tmp_path).write_text(text)
    assert shown_mutants(run(folder=str(tmp_path)), "dax-populate") == []


def test_why_there_are_none_is_said(tmp_path: Path) -> None:
    kept(tmp_path, MutantScore("6.1", why="the series changes nothing in the binary"))
    (found,) = shown_mutants(run(folder=str(tmp_path)), "dax-populate")
    assert found.sentence == "None: the series changes nothing in the binary"
