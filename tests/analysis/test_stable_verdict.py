# SPDX-License-Identifier: GPL-2.0-only
"""What a fix is to an older kernel: nothing is said that no test has shown."""

from __future__ import annotations

import pytest

from lab.analysis.stable_verdict import (
    Bug,
    Carried,
    StableKernel,
    StableVerdict,
    fixed_by,
    judge_stable,
    stable_status,
)
from lab.analysis.verdict import TestVerdict, Verdict
from lab.errors import ExitStatus
from lab.model.records import KERNEL
from lab.model.status import Status

PASS, FAIL, SKIP, ERROR = Status.PASS, Status.FAIL, Status.SKIP, Status.ERROR
BUG = Bug(
    frozenset({("ext4-dax", "mlock", "a"), ("ext4-dax", "mlock", "b")}), "its parent", "missing"
)
UNKNOWN = Bug(missing="missing is a test")
GOES = Carried(applies=True, said="clean")
IN = Carried(is_in=True, said="as 1234567890ab")
REFUSED = Carried(said="refused: hunk 1 of mm/gup.c")


def one(
    name: str, base: Status | None, patched: Status | None, verdict: Verdict, suite: str = "mlock"
) -> TestVerdict:
    return TestVerdict("6.1", "ext4-dax", suite, name, base, patched, verdict)


def alone(name: str, base: Status) -> TestVerdict:
    unclear = base in (Status.CRASH, Status.TIMEOUT, ERROR)
    return one(name, base, None, Verdict.INCONCLUSIVE if unclear else Verdict.NOT_APPLICABLE)


def fixed(name: str) -> TestVerdict:
    return one(name, FAIL, PASS, Verdict.FIXED)


def passing(name: str) -> TestVerdict:
    return one(name, PASS, PASS, Verdict.STILL_PASSING)


def failing(name: str) -> TestVerdict:
    return one(name, FAIL, FAIL, Verdict.STILL_FAILING)


@pytest.mark.parametrize(
    ("carried", "tests", "bug", "verdict", "said"),
    [
        (GOES, [fixed("a"), fixed("b")], BUG, "needs backport", "2 tests, 0 pass before"),
        # What is seen on the kernel itself counts, whatever its parent showed.
        (GOES, [fixed("a")], UNKNOWN, "needs backport", "it applies: clean"),
        (GOES, [passing("a"), passing("b")], BUG, "not affected", "2 tests that it mends on"),
        (GOES, [passing("a"), passing("b"), failing("c")], BUG, "not affected", "pass without it"),
        (GOES, [passing("a"), failing("b")], BUG, "no change", "1 test fails before and after"),
        (GOES, [passing("a")], BUG, "inconclusive", "b did not run on ext4-dax"),
        (
            GOES,
            [passing("a"), one("b", SKIP, SKIP, Verdict.NOT_APPLICABLE)],
            BUG,
            "inconclusive",
            "b on ext4-dax: skip",
        ),
        (GOES, [passing("a"), passing("b")], UNKNOWN, "no change", "missing is a test"),
        (
            GOES,
            [fixed("a"), one("b", FAIL, Status.TIMEOUT, Verdict.REGRESSED)],
            BUG,
            "regressed",
            "1 test regressed: b",
        ),
        (GOES, [fixed("a"), one("b", FAIL, ERROR, Verdict.INCONCLUSIVE)], BUG, "inconclusive", "b"),
        (GOES, [], BUG, "inconclusive", "no test could run"),
        (IN, [alone("a", PASS), alone("b", PASS)], BUG, "already there", "as 1234567890ab; 2"),
        (IN, [alone("a", PASS), alone("b", FAIL)], BUG, "inconclusive", "but 1 test that it mends"),
        (IN, [alone("a", PASS), alone("b", ERROR)], BUG, "inconclusive", "b on ext4-dax: error"),
        (IN, [alone("a", PASS)], UNKNOWN, "already there", "missing is a test"),
        (REFUSED, [alone("a", FAIL), alone("b", PASS)], BUG, "does not apply", "it has the bug, 1"),
        (REFUSED, [alone("a", PASS), alone("b", PASS)], BUG, "not affected", "nor does it apply"),
        (REFUSED, [alone("a", PASS), alone("b", SKIP)], BUG, "does not apply", "nobody knows: b"),
        (
            REFUSED,
            [alone("a", PASS), alone("b", Status.TIMEOUT)],
            BUG,
            "does not apply",
            "whether it has the bug nobody knows: b on ext4-dax: timeout",
        ),
        (REFUSED, [alone("a", FAIL)], UNKNOWN, "does not apply", "missing is a test"),
    ],
)
def test_a_kernel(
    carried: Carried, tests: list[TestVerdict], bug: Bug, verdict: str, said: str
) -> None:
    found = judge_stable("6.1", carried, tests, bug, ("*",))
    assert found.verdict == verdict, found.why
    assert said in found.why


def test_a_failure_that_was_not_proved_is_no_bug() -> None:
    unproved = one("a", FAIL, None, Verdict.INCONCLUSIVE)
    found = judge_stable("6.1", REFUSED, [unproved, alone("b", PASS)], BUG, ("*",))
    assert "whether it has the bug nobody knows" in found.why


def test_an_error_of_the_labs_is_ours() -> None:
    tests = [fixed("a"), one("b", FAIL, ERROR, Verdict.INCONCLUSIVE)]
    assert judge_stable("6.1", GOES, tests, BUG, ("*",)).ours
    assert not judge_stable("6.1", GOES, [passing("a")], BUG, ("*",)).ours


def test_what_shows_the_bug() -> None:
    tests = [fixed("a"), passing("b"), fixed("c"), one("", FAIL, PASS, Verdict.FIXED, KERNEL)]
    assert fixed_by(tests, ("a", "b")) == {("ext4-dax", "mlock", "a")}
    assert len(fixed_by(tests, ("*",))) == 2


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["needs backport", "already there", "not affected"], ExitStatus.EXPECTED),
        (["needs backport", "does not apply"], ExitStatus.UNEXPECTED),
        (["no change"], ExitStatus.UNEXPECTED),
        (["regressed", "inconclusive ours"], ExitStatus.UNEXPECTED),
        (["not affected", "inconclusive ours"], ExitStatus.INFRASTRUCTURE),
        (["inconclusive"], ExitStatus.UNEXPECTED),
    ],
)
def test_the_status(verdicts: list[str], status: ExitStatus) -> None:
    kernels = [
        StableKernel("6.1", StableVerdict(text.removesuffix(" ours")), "", text.endswith(" ours"))
        for text in verdicts
    ]
    assert stable_status(kernels) is status
