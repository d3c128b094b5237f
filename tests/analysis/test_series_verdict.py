# SPDX-License-Identifier: GPL-2.0-only
"""What a series comes to on a kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.analysis.series_verdict import (
    KernelVerdict,
    expected_outcome,
    is_ours,
    judge_pair,
    judge_upstream,
    lost,
    with_lines,
)
from lab.analysis.verdict import TestVerdict, Verdict
from lab.config.model import ExpectedVerdict
from lab.coverage.counted import Coverage, DiffLine, Hunk, LineCount, LineState
from lab.model.records import KERNEL
from lab.model.status import Outcome, Status
from tests.results.made import job, result

ALL = ("*",)


def made(*verdicts: str) -> list[TestVerdict]:
    """Tests t0, t1, … with these verdicts."""
    return [
        TestVerdict("6.1", "ext4-dax", "mlock", f"t{number}", None, None, Verdict(verdict))
        for number, verdict in enumerate(verdicts)
    ]


def outcome(*verdicts: str, about: tuple[str, ...] = ALL) -> str:
    return judge_pair(made(*verdicts), about)[0].value


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        (["fixed", "still passing", "not applicable"], "fixed"),
        (["fixed", "regressed"], "regressed"),
        (["regressed", "inconclusive"], "regressed"),
        (["fixed", "inconclusive"], "inconclusive"),
        (["still passing", "inconclusive"], "inconclusive"),
        # It is about all tests: a part of them mended is not what it claims.
        (["fixed", "still failing"], "inconclusive"),
        (["still failing", "still passing"], "no change"),
        (["still passing", "not applicable"], "no change"),
        (["not applicable"], "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_outcome_of_tests(verdicts: list[str], wanted: str) -> None:
    assert outcome(*verdicts) == wanted


def test_a_test_that_the_series_is_not_about_may_go_on_failing() -> None:
    verdicts = ("fixed", "still failing")
    assert outcome(*verdicts, about=("t0",)) == "fixed"
    # What it is about is not mended, whatever else is.
    assert outcome(*verdicts, about=("t1",)) == "no change"
    assert outcome(*verdicts, about=("t?",)) == "inconclusive"


def test_a_series_is_about_no_complaint_between_tests() -> None:
    fixed, complaint = made("fixed", "still failing")
    tests = [fixed, replace(complaint, filesystem="", suite=KERNEL, test="WARNING in foo")]
    assert judge_pair(tests, ALL)[0] is Outcome.FIXED


def test_a_test_that_the_series_is_not_about_may_not_regress() -> None:
    assert outcome("fixed", "regressed", about=("t0",)) == "regressed"


def test_outcome_names_the_first_test() -> None:
    tests = made("fixed", "inconclusive", "inconclusive")
    tests[1] = replace(tests[1], why="base has no such result")
    _, why = judge_pair(tests, ALL)
    assert why == "2 tests inconclusive: t1 on ext4-dax (base has no such result), …"


def upstream(*statuses: Status, about: tuple[str, ...] = ALL) -> tuple[Outcome, str]:
    tests = [
        replace(each, base=status)
        for each, status in zip(made(*["not applicable"] * len(statuses)), statuses, strict=True)
    ]
    return judge_upstream(tests, about)


def test_a_fixed_kernel_passes_without_the_series() -> None:
    assert upstream(Status.PASS, Status.PASS, Status.SKIP) == (
        Outcome.UPSTREAM,
        "2 tests pass without it",
    )


def test_a_kernel_that_fails_is_not_fixed_whoever_says_so() -> None:
    verdict, why = upstream(Status.PASS, Status.FAIL)
    assert verdict is Outcome.INCONCLUSIVE
    assert (
        why == "it is said to be fixed, but 1 test fails without the series, t1 on ext4-dax first"
    )


def test_a_fixed_kernel_must_show_it() -> None:
    assert upstream(Status.SKIP, Status.SKIP)[0] is Outcome.INCONCLUSIVE
    assert upstream()[0] is Outcome.INCONCLUSIVE
    # t0 passes, but the series is about t1.
    assert upstream(Status.PASS, Status.SKIP, about=("t1",))[0] is Outcome.INCONCLUSIVE


def test_a_fixed_kernel_may_fail_where_the_series_is_not_about_it() -> None:
    verdict, why = upstream(Status.PASS, Status.FAIL, Status.PASS, about=("t0",))
    assert verdict is Outcome.UPSTREAM
    assert why == "1 test passes without it, others failing: 1"


def test_a_fixed_kernel_with_an_unclear_test() -> None:
    tests = [replace(each, base=Status.PASS) for each in made("not applicable", "inconclusive")]
    assert judge_upstream(tests, ALL)[0] is Outcome.INCONCLUSIVE


def test_expected_outcome_is_the_last_that_matches() -> None:
    verdicts = [
        ExpectedVerdict(
            series="a", kernels=("v4.*",), verdict=Outcome.UPSTREAM, reason="since 4.3"
        ),
        ExpectedVerdict(series="a", kernels=("v4.1",), verdict=Outcome.FIXED, reason="old"),
        ExpectedVerdict(series="b", verdict=Outcome.NO_CHANGE, reason="other"),
    ]
    assert expected_outcome(verdicts, "a", "v4.9") == (Outcome.UPSTREAM, "since 4.3")
    assert expected_outcome(verdicts, "a", "v4.1") == (Outcome.FIXED, "old")
    assert expected_outcome(verdicts, "a", "6.1") == (Outcome.FIXED, "")
    assert expected_outcome(verdicts, "b", "6.1") == (Outcome.NO_CHANGE, "other")


def test_a_job_without_all_its_results() -> None:
    assert lost(None, "base") == "there is no record of base"
    assert lost(job(result(), error="no space\nmore"), "patched") == "patched: no space"
    assert lost(job(result()), "base") == ""


def test_whose_fault_it_is() -> None:
    unclear = made("inconclusive", "inconclusive", "fixed")
    error = replace(unclear[0], base=Status.PASS, patched=Status.ERROR)
    # What an error stopped in its place is the lab's fault too.
    assert is_ours([error, unclear[1]])
    assert not is_ours([error, replace(unclear[1], filesystem="xfs-dax")])
    assert not is_ours(unclear)
    assert not is_ours(made("fixed"))


def test_a_verdict_is_as_expected_when_it_is_just_that() -> None:
    """A series should fix, and nobody else is to blame, unless something says otherwise."""
    fixed = KernelVerdict("6.1", Outcome.FIXED, "1 test")
    assert fixed.as_expected
    assert not fixed.ours
    worse = KernelVerdict("6.1", Outcome.REGRESSED, "1 test")
    assert not worse.as_expected
    assert replace(worse, expected=Outcome.REGRESSED).as_expected


@pytest.mark.parametrize(
    ("verdicts", "about", "why"),
    [
        ([], ALL, "no test could run"),
        (["still passing"], ALL, "no test fails without it; 1 pass before and after"),
        (
            ["still failing", "still failing", "still passing"],
            ALL,
            "2 tests fail before and after, 1 pass before and after",
        ),
        (["fixed", "still passing"], ALL, "1 test, 1 pass before and after"),
        (
            ["fixed", "still failing"],
            ("t0",),
            "1 test, others still failing: 1, 0 pass before and after",
        ),
        (["fixed", "still failing"], ALL, "1 fixed, but 1 test still failing: t1 on ext4-dax"),
    ],
)
def test_what_was_counted_is_said(verdicts: list[str], about: tuple[str, ...], why: str) -> None:
    assert judge_pair(made(*verdicts), about)[1] == why


def counted(*states: LineState) -> Coverage:
    lines = (
        DiffLine("+", "x;", None, LineCount(number, state, int(state is LineState.RAN)))
        for number, state in enumerate(states, 1)
    )
    return Coverage("6.1", "default", "default", (Hunk("mm/gup.c", tuple(lines)),))


FIXED = KernelVerdict("6.1", Outcome.FIXED, "2 tests")


def test_lines_that_never_ran_have_fixed_nothing() -> None:
    found = with_lines(FIXED, counted(LineState.NOT_CODE, LineState.NEVER, LineState.NEVER))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == "none of the lines that it adds ran (mm/gup.c:2, mm/gup.c:3); 2 tests"


def test_what_is_compiled_away_of_a_function_that_never_ran_has_not_either() -> None:
    never = counted(LineState.NEVER, LineState.MERGED)
    [hunk] = never.hunks
    idle = [replace(line, patched=replace(line.patched, idle=True)) for line in hunk.lines
            if line.patched and line.patched.state is LineState.MERGED]  # fmt: skip
    found = replace(never, hunks=(replace(hunk, lines=(hunk.lines[0], *idle)),))
    assert with_lines(FIXED, found).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([LineState.NOT_CODE], Outcome.INCONCLUSIVE),
        ([LineState.MERGED], Outcome.FIXED),
        ([LineState.UNKNOWN], Outcome.FIXED),
        ([LineState.RAN], Outcome.FIXED),
    ],
)
def test_what_the_kernel_has_not_has_fixed_nothing(
    others: list[LineState], wanted: Outcome
) -> None:
    found = counted(*others)
    [hunk] = found.hunks
    absent = DiffLine("+", "x;", None, LineCount(9, LineState.NOT_BUILT, idle=True))
    whole = replace(found, hunks=(replace(hunk, lines=(*hunk.lines, absent)),))
    given = with_lines(FIXED, whole)
    assert given.outcome is wanted
    if wanted is Outcome.INCONCLUSIVE:
        assert given.why == "none of the lines that it adds ran (mm/gup.c:9); 2 tests"


@pytest.mark.parametrize(
    "states",
    [
        # A file that is in no object may have made one: it is compiled for the host, say.
        [LineState.NOT_BUILT],
        [LineState.RAN, LineState.NEVER],
        [LineState.FAILING, LineState.NEVER],
        # Nobody can say that it did not.
        [LineState.UNKNOWN, LineState.NEVER],
        [LineState.MERGED, LineState.NEVER],
        [LineState.MERGED, LineState.NOT_CODE],
        [],
    ],
)
def test_what_ran_or_could_not_have_leaves_the_verdict(states: list[LineState]) -> None:
    assert with_lines(FIXED, counted(*states)).outcome is Outcome.FIXED


def test_what_is_not_fixed_stays_what_it_is() -> None:
    regressed = replace(FIXED, outcome=Outcome.REGRESSED)
    assert with_lines(regressed, counted(LineState.NEVER)).outcome is Outcome.REGRESSED
    assert with_lines(FIXED, None).outcome is Outcome.FIXED
