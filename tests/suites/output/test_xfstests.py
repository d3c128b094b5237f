# SPDX-License-Identifier: GPL-2.0-only
"""xfstests' check: its lines, its lists and its report, and where these differ."""

from __future__ import annotations

import pytest

from lab.suites.judge import Ended
from tests.suites.output.judging import HERE, judged, passed, statuses


def read(name: str) -> bytes:
    return (HERE / "xfstests" / f"{name}.txt").read_bytes()


FAILED = {
    "generic/001": "pass",
    "generic/344": "fail",
    "generic/413": "fail",
    "generic/462": "fail",
    "generic/470": "fail",
    "generic/605": "skip",
    "xfs/260": "skip",
}
REPORT = read("fails").index(b"<?xml")


def test_a_run_that_passes() -> None:
    results = judged("xfstests", read("passes"))
    assert statuses(results) == {
        "ext4/034": "pass",
        "generic/413": "pass",
        "generic/452": "skip",
    }
    assert results[2].message == "this test requires a valid $SCRATCH_LOGDEV"


@pytest.mark.parametrize("length", [REPORT, None])
def test_a_run_that_fails(length: int | None) -> None:
    results = {one.test: one for one in judged("xfstests", read("fails")[:length], 1)}
    assert {name: str(one.status) for name, one in results.items()} == FAILED
    assert results["xfs/260"].message.startswith("Reflink not supported")
    assert results["generic/344"].message.startswith("- output mismatch (see /xfstests/results")
    assert "+mlock: Cannot allocate memory" in results["generic/344"].diagnostics
    assert "is inconsistent (r)" in results["generic/462"].message
    assert results["generic/605"].message == "[expunged]"


def test_a_report_with_a_namespace() -> None:
    assert statuses(judged("xfstests", read("namespace"))) == {"generic/001": "pass"}
    worse = read("namespace").replace(b'time="9">\n', b'time="9">\n<failure message="x"/>')
    assert statuses(judged("xfstests", worse)) == {"generic/001": "fail"}


def test_the_report_has_more_to_say() -> None:
    results = {one.test: one for one in judged("xfstests", read("fails"), 1)}
    assert any("follow_page" in line for line in results["generic/470"].diagnostics)


@pytest.mark.parametrize(
    ("was", "is_now", "test"),
    [
        # Its report says that it failed, or was not run.
        (b'001" time="4">\n', b'001" time="4">\n<failure message="x"/>', "generic/001"),
        (b'001" time="4">\n', b'001" time="4">\n<skipped message="x"/>', "generic/001"),
        (b'name="generic/001"', b'name="generic/002"', "generic/001"),
        (b"Failures: generic/344", b"Failures: generic/001", "generic/001"),
        (b"Ran: generic/001 ", b"Ran: ", "generic/001"),
        (b"generic/001 4s ...  4s", b"generic/001 4s ... ", "generic/001"),
        (b"generic/001 4s ...  4s", b"generic/001 - no such test?", "generic/001"),
    ],
)
def test_a_pass_that_something_speaks_against(was: bytes, is_now: bytes, test: str) -> None:
    assert was in read("fails")
    results = judged("xfstests", read("fails").replace(was, is_now), 1)
    assert statuses(results)[test] in ("fail", "error")


@pytest.mark.parametrize(
    ("name", "status", "was", "is_now", "what"),
    [
        ("passes", 1, b"", b"", "ended with status 1, and names no failures"),
        ("fails", 0, b"", b"", "ended with status 0, and names 4 failures"),
        ("passes", 0, b"Passed all 3 tests", b"", "without the number of its tests"),
        ("passes", 0, b"Passed all 3 tests", b"Passed all 4 tests", "counts 4 tests, and names 3"),
        ("passes", 0, b"ext4/034        2s\n", b"", "ran ext4/034, and does not say how"),
        ("passes", 0, b"ext4/034  ", b"ext4/034 2s\next4/034  ", "ran ext4/034 twice"),
        ("passes", 0, b"FSTYP", b"SECTION       -- dax\nFSTYP", "ran sections"),
        ("fails", 1, b"Failed 4 of", b"Failed 3 of", "counts 3 failures"),
        ("fails", 1, b"</testsuite>", b"", "its report has no end"),
        ("fails", 1, b"</properties>", b"", "its report is no XML"),
        ("fails", 1, b"<testsuite\n", b'<!DOCTYPE a [<!ENTITY b "c">]><testsuite\n', "entities"),
        ("fails", 1, b'name="generic/413"', b'name="generic/344"', "generic/344 twice"),
        ("fails", 1, b'tests="6"', b'tests="7"', "counts 7 tests, and has 6"),
    ],
)
def test_a_run_whose_end_does_not_bear_it_out(
    name: str, status: int, was: bytes, is_now: bytes, what: str
) -> None:
    assert was in read(name)
    results = judged("xfstests", read(name).replace(was, is_now, 1), status)
    assert (results[-1].test, str(results[-1].status)) == ("t", "error")
    assert what in results[-1].message
    assert not any(one.status == "pass" for one in results)


def test_no_test_at_all() -> None:
    results = judged("xfstests", b"FSTYP         -- ext4\n\nPassed all 0 tests\n")
    assert not passed(results)
    assert "ran no test" in results[-1].message


def test_the_test_that_it_was_at_takes_its_end() -> None:
    text = read("passes")
    cut = text[: text.index(b"  4s\n")]
    results = judged("xfstests", cut, None, Ended.GUEST_DIED, "a panic")
    assert statuses(results) == {"ext4/034": "pass", "generic/413": "crash"}
    between = text[: text.index(b"generic/413")]
    assert statuses(judged("xfstests", between, None, Ended.TIMEOUT, "60 s")) == {
        "ext4/034": "pass",
        "t": "timeout",
    }


def test_a_time_that_is_cut_is_no_end() -> None:
    """Before what a test takes now stands what it took when it ran last."""
    begun, line = b"FSTYP         -- ext4\n\ngeneric/001", b" 15s ...  14s"
    for length in range(len(line) + 1):
        results = judged("xfstests", begun + line[:length], None, Ended.GUEST_DIED, "a panic")
        assert statuses(results) == {"generic/001": "crash"}, line[:length]
    results = judged("xfstests", begun + line + b"\nand then", None, Ended.GUEST_DIED, "a panic")
    assert statuses(results) == {"generic/001": "pass", "t": "crash"}


def test_a_report_without_tests_bears_nothing_out() -> None:
    text = read("passes").partition(b"<?xml")[0]
    report = b'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite tests="0">\n</testsuite>\n'
    results = judged("xfstests", text + report)
    assert "its report has no test" in results[-1].message
    assert not any(one.status == "pass" for one in results)
