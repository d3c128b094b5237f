# SPDX-License-Identifier: GPL-2.0-only
"""One table for what became of it: no word is missing, none is there twice or for nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from lab.analysis.bisect_status import BisectStatus
from lab.analysis.compare import Change
from lab.analysis.stable_verdict import StableVerdict
from lab.analysis.step_verdict import StepFault
from lab.analysis.verdict import Verdict
from lab.errors import ExitStatus
from lab.model.scale import TABLE, Word, Worth, exit_of
from lab.model.status import BAD, DEAD, Outcome, Status
from lab.nightly.judgement import Kind

ENUMS: tuple[type[Word], ...] = (
    Status, Outcome, Verdict, Change, StableVerdict, StepFault, Kind,
)  # fmt: skip


def enums() -> Iterator[type[Word]]:
    """All there are, whoever adds one, but those that a test made."""
    yield from (found for found in Word.__subclasses__() if found.__module__.startswith("lab."))


def test_each_word_stands_there_once() -> None:
    assert set(enums()) == set(ENUMS)
    said = {word.value for enum in enums() for word in enum}
    assert Counter(row.word for row in TABLE) == Counter(said)


def test_each_row_says_what_its_word_means() -> None:
    meanings = [row.meaning for row in TABLE]
    assert all(meanings)
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        (Status, ("sign", "kcidb")),
        (Outcome, ("review",)),
        (Change, ("heading",)),
        ([change for change in Change if change is not Change.SAME], ("sign",)),
        (Kind, ("title",)),
    ],
)
def test_who_tells_a_word_has_what_that_takes(words: type[Word], columns: tuple[str, ...]) -> None:
    for word in words:
        assert all(getattr(word.row, column) for column in columns), word


def test_what_tests_are_worth() -> None:
    assert {status: status.worth for status in Status} == {
        Status.PASS: Worth.GOOD,
        Status.FAIL: Worth.BAD,
        Status.SKIP: Worth.NEITHER,
        Status.CRASH: Worth.BAD,
        Status.TIMEOUT: Worth.BAD,
        Status.ERROR: Worth.UNKNOWN,
    }
    assert {Status.FAIL, Status.CRASH, Status.TIMEOUT} == BAD
    assert {Status.CRASH, Status.TIMEOUT} == DEAD


def test_what_changes_are_worth() -> None:
    assert {change for change in Change if change.is_bad} == {
        Change.REGRESSED,
        Change.FLAKY,
        Change.GONE,
    }
    assert {change for change in Change if change.worth is Worth.GOOD} == {
        Change.FIXED,
        Change.SAME,
    }
    assert Change.INFRASTRUCTURE.worth is Kind.UNTESTED.worth is Worth.UNKNOWN
    good = {verdict for verdict in StableVerdict if verdict.worth is Worth.GOOD}
    assert good == {StableVerdict.NEEDS_BACKPORT, StableVerdict.THERE, StableVerdict.NOT_AFFECTED}


def test_what_a_worth_costs() -> None:
    assert [(worth.value.exit, worth.value.git) for worth in Worth] == [
        (ExitStatus.EXPECTED, 0),
        (ExitStatus.UNEXPECTED, 1),
        (ExitStatus.UNEXPECTED, 125),
        (ExitStatus.INFRASTRUCTURE, 255),
    ]
    assert [int(status) for status in BisectStatus] == [0, 1, 125, 255]


@pytest.mark.parametrize(
    ("wanting", "status"),
    [
        ([], ExitStatus.EXPECTED),
        ([True], ExitStatus.INFRASTRUCTURE),
        ([False], ExitStatus.UNEXPECTED),
        ([True, False, True], ExitStatus.UNEXPECTED),
    ],
)
def test_a_fault_of_the_kernels_comes_first(wanting: list[bool], status: ExitStatus) -> None:
    assert exit_of(wanting) is status
