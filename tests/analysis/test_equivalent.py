# SPDX-License-Identifier: GPL-2.0-only
"""Wrong versions that somebody says to mean the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis.equivalent import load_equivalents, with_equivalents
from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.errors import UserError
from lab.mutants.mutant import Kind, Mutant
from lab.report.mutants import mutant_lines

TOML = """\
[[equivalent]]
kernels = ["v4.*"]
file = "mm/gup.c"
blobs = ["3367afdbbf"]
changes = ["without !pages", "a -> b"]
reason = "nobody else asks for none"
"""
MUTANT = Mutant("mm/gup.c", 500, Kind.OPERAND, "!pages", "", b"new\n", b"old\n")


def score(fate: Fate, kernel: str = "v4.2", mutant: Mutant = MUTANT) -> MutantScore:
    return MutantScore(kernel, results=(MutantResult(1, mutant, fate, "", ("t",)),), of=1)


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    (tmp_path / "fix").mkdir()
    (tmp_path / "fix" / "mutants.toml").write_text(TOML)
    return tmp_path


def test_a_survivor_that_means_the_same_is_none(patches: Path) -> None:
    found = with_equivalents(score(Fate.SURVIVED), load_equivalents(patches, "fix"))
    assert found.count(Fate.EQUIVALENT) == 1
    assert (found.told, found.survivors) == (0, ())
    assert "      since nobody else asks for none" in list(mutant_lines("fix", [found]))


@pytest.mark.parametrize(
    "other",
    [
        score(Fate.SURVIVED, "6.1"),
        score(Fate.SURVIVED, mutant=replace(MUTANT, file="mm/mlock.c")),
        score(Fate.SURVIVED, mutant=replace(MUTANT, before="pages")),
        score(Fate.SURVIVED, mutant=replace(MUTANT, patched=b"another\n")),
    ],
)
def test_it_speaks_of_none_but_what_it_names(patches: Path, other: MutantScore) -> None:
    found = with_equivalents(other, load_equivalents(patches, "fix"))
    assert found.count(Fate.SURVIVED) == 1


def test_of_a_file_that_is_another_now_it_says_whose_word_that_was(patches: Path) -> None:
    other = score(Fate.SURVIVED, mutant=replace(MUTANT, patched=b"another\n"))
    (found,) = with_equivalents(other, load_equivalents(patches, "fix")).survivors
    assert found.why.startswith(
        "said to mean the same of 3367afdbbf, and this file is 9b24da92a91f: "
    )
    noticed = score(Fate.NOTICED, mutant=replace(MUTANT, patched=b"another\n"))
    assert with_equivalents(noticed, load_equivalents(patches, "fix")).refuted == ()


@pytest.mark.parametrize("blobs", ['["3367"]', '["v4.2"]', "[]"])
def test_whose_word_it_is_has_to_be_said(patches: Path, blobs: str) -> None:
    (patches / "fix" / "mutants.toml").write_text(TOML.replace('["3367afdbbf"]', blobs))
    with pytest.raises(UserError, match=r"equivalent\.0\.blobs"):
        load_equivalents(patches, "fix")


def test_one_that_a_test_noticed_is_told_to_be_said_wrongly(patches: Path) -> None:
    found = with_equivalents(score(Fate.NOTICED), load_equivalents(patches, "fix"))
    assert found.count(Fate.NOTICED) == 1
    assert any("and noticed: mm/gup.c:500" in line for line in mutant_lines("fix", [found]))


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    assert load_equivalents(tmp_path, "fix") == ()


def test_a_mistake_in_it_is_named(patches: Path) -> None:
    (patches / "fix" / "mutants.toml").write_text(TOML.replace("reason", "why"))
    with pytest.raises(UserError, match=r"mutants\.toml: equivalent\.0\.(reason|why)"):
        load_equivalents(patches, "fix")


def test_what_is_said_of_the_lab_s_own_series_can_be_read() -> None:
    patches = Path(__file__).resolve().parents[2] / "patches"
    said = load_equivalents(patches, "dax-populate")
    assert {change for one in said for change in one.changes} >= {"without (!pages)"}
