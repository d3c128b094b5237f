# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of mutants while they are tried, and what the next call does with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.errors import ExitStatus, InfrastructureError
from lab.execution import mutations
from lab.execution.mutations import MutantReport, known_before
from lab.mutants.mutant import Kind, Mutant
from lab.results import RunFolder

FIRST = Mutant("mm/gup.c", 500, Kind.OPERAND, "!pages", "", b"first\n", b"old\n")
SECOND = replace(FIRST, content=b"second\n")
SCORE = MutantScore(
    "v4.2",
    "key",
    results=(
        MutantResult(1, FIRST, Fate.SURVIVED, "", ("mlock.a on ext4-dax",)),
        MutantResult(2, SECOND, Fate.ERROR, "no QEMU"),
    ),
)


def report(tmp_path: Path, run: str) -> MutantReport:
    return MutantReport("fix", RunFolder(tmp_path, run))


def test_what_was_tried_when_it_was_cut_short_is_known(tmp_path: Path) -> None:
    report(tmp_path, "20260101-120000-aaaa").keep(SCORE)
    now = report(tmp_path, "20260102-120000-bbbb")
    found = known_before(now, "key")
    # What we failed at is tried again.
    assert list(found) == [FIRST.digest]
    assert found[FIRST.digest].fate is Fate.SURVIVED
    assert found[FIRST.digest].ran == ("mlock.a on ext4-dax",)
    # Of other kernels, programs or hardware nothing is known.
    assert known_before(now, "another") == {}


def test_what_came_to_its_end_is_asked_anew(tmp_path: Path) -> None:
    ended = report(tmp_path, "20260101-120000-aaaa")
    ended.scores.append(SCORE)
    ended.keep()
    assert known_before(report(tmp_path, "20260102-120000-bbbb"), "key") == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"finished": false, "kernels": [{"key": "key"}]}']
)
def test_what_is_damaged_is_not_known(tmp_path: Path, text: str) -> None:
    report(tmp_path, "20260101-120000-aaaa").keep(SCORE)
    (tmp_path / "20260101-120000-aaaa" / "mutants.json").write_text(text)
    assert known_before(report(tmp_path, "20260102-120000-bbbb"), "key") == {}


@pytest.mark.parametrize(
    ("results", "status"),
    [(SCORE.results[:1], ExitStatus.EXPECTED), (SCORE.results, ExitStatus.INFRASTRUCTURE)],
)
def test_a_survivor_is_no_fault_of_the_patch_and_an_error_is_ours(
    tmp_path: Path, results: tuple[MutantResult, ...], status: ExitStatus
) -> None:
    found = report(tmp_path, "run")
    found.scores.append(replace(SCORE, results=results))
    assert found.status is status


def test_what_the_lab_came_to_no_end_with_is_ours_and_is_gone_on_with(tmp_path: Path) -> None:
    cut = report(tmp_path, "20260101-120000-aaaa")
    why = "a process that ran a guest was killed"
    cut.scores.append(replace(SCORE, results=SCORE.results[:1], why=why, lost=True))
    cut.keep()
    assert cut.status is ExitStatus.INFRASTRUCTURE
    assert cut.document["finished"] is False
    assert list(known_before(report(tmp_path, "20260102-120000-bbbb"), "key")) == [FIRST.digest]
    # A series without anything to mutate is no failure.
    none = report(tmp_path, "20260103-120000-cccc")
    none.scores.append(MutantScore("6.1", why="the series changes nothing in the binary"))
    assert none.status is ExitStatus.EXPECTED
    assert none.document["finished"] is True


def test_whatever_goes_wrong_with_a_kernel_is_the_labs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> MutantScore:
        raise InfrastructureError("a process that ran a guest was killed")

    evidence = SimpleNamespace(evidence=SimpleNamespace(build_key="b", setup="s"))
    planned = SimpleNamespace(to_json=dict)
    question = SimpleNamespace(kernel="v4.2", base=evidence, patched=evidence, planned=planned)
    monkeypatch.setattr(mutations, "mutate", broken)
    here = SimpleNamespace(config=SimpleNamespace(executor=SimpleNamespace(kind="here")))
    builder = cast("Any", SimpleNamespace(loaded=here))
    found = mutations._tried(builder, cast("Any", question), report(tmp_path, "run"), 0, 0)
    assert (found.lost, found.why) == (True, "a process that ran a guest was killed")
