# SPDX-License-Identifier: GPL-2.0-only
"""LTP: lines of its libraries, the mask that is its exit status, and where these differ."""

from __future__ import annotations

import pytest

from lab.suites.judge import Ended
from tests.suites.output.judging import HERE, judged, passed, statuses

SUMMARY = b"passed   3\nfailed   0\nbroken   0\nskipped  0\nwarnings 0\n"
EARNED = "passed, and its program did not end well"


def read(name: str) -> bytes:
    return (HERE / "ltp" / f"{name}.txt").read_bytes()


@pytest.mark.parametrize(
    ("name", "status", "found"),
    [
        ("new", 0, ["pass", "pass", "pass"]),
        ("old", 0, ["pass", "pass", "pass", "pass"]),
        ("old", 16, ["pass", "pass", "pass", "pass"]),
        ("fails", 1, ["pass", "fail"]),
        ("skips", 32, ["skip"]),
        ("breaks", 2, ["pass", "error"]),
        ("coloured", 0, ["pass", "skip"]),
        ("shell", 2, ["error"]),
        ("before-2018", 0, ["pass"]),
        ("killed", 2, ["pass", "error"]),
        ("warns", 4, ["pass", "error"]),
    ],
)
def test_real_lines(name: str, status: int, found: list[str]) -> None:
    results = judged("ltp", read(name), status)
    assert statuses(results) == {f"t.{n}": one for n, one in enumerate(found, 1)}


@pytest.mark.parametrize("kind", ["ltp", "xfstests"])
def test_what_killed_the_program_itself(kind: str) -> None:
    results = judged(kind, b"", 128 + 11)
    assert [(one.test, one.status.value, one.signal) for one in results] == [
        ("t", "error", "SIGSEGV")
    ]


def test_what_a_result_says() -> None:
    results = judged("ltp", read("fails"), 1)
    assert results[0].message == ""
    assert results[1].message == "mlock(0x7f1bd6a2d000, 1024) failed: ENOMEM (12)"
    assert results[0].diagnostics == (
        "tst_test.c:1560: TINFO: Timeout per run is 0h 00m 30s",
        "TPASS: mlock() 1 bytes",
    )
    assert judged("ltp", read("killed"), 2)[1].message == "TBROK: Test killed by SIGSEGV!"
    assert [one.broke_off for one in judged("ltp", read("killed"), 2)] == ["", "TBROK"]
    (skipped,) = judged("ltp", read("skips"), 32)
    assert skipped.message == "Aborting due to unsuitable kernel config, see above!"


@pytest.mark.parametrize(
    ("name", "status", "what"),
    [
        ("new", 1, "exit status 1 says TFAIL, and no line does"),
        ("new", 2, "exit status 2 says TBROK, and no line does"),
        ("new", 4, "exit status 4 says TWARN, and no line does"),
        ("old", 32, "exit status 32 says TCONF, and no line does"),
        ("new", 64, "exit status 64 is none of LTP's"),
        ("new", 8, "exit status 8 is none of LTP's"),
        ("fails", 0, "said TFAIL, and exit status 0 does not"),
        ("breaks", 0, "said TBROK, and exit status 0 does not"),
        ("warns", 0, "said TWARN, and exit status 0 does not"),
        ("skips", 0, "said TCONF, and exit status 0 does not"),
        ("old", 127, "could not be started"),
    ],
)
def test_a_status_that_its_lines_do_not_bear_out(name: str, status: int, what: str) -> None:
    results = judged("ltp", read(name), status)
    assert what in results[-1].message
    assert (results[-1].test, str(results[-1].status)) == ("t", "error")
    assert not any(one.status == "pass" for one in results)


@pytest.mark.parametrize(
    ("was", "is_now", "what"),
    [
        (b"passed   3", b"passed   4", "its summary counts 4 TPASS, and 3 were printed"),
        (b"skipped  0", b"skipped  1", "its summary counts 1 TCONF, and 0 were printed"),
        (SUMMARY, b"", "no summary"),
    ],
)
def test_counts_that_are_not_those_of_its_lines(was: bytes, is_now: bytes, what: str) -> None:
    assert was in read("new")
    results = judged("ltp", read("new").replace(was, is_now))
    assert what in results[-1].message
    assert [one.message for one in results[:-1]] == [EARNED] * 3


@pytest.mark.parametrize(
    ("status", "outcome", "what"),
    [
        (0, "error", "printed no result"),
        (1, "fail", "exit status 1 says TFAIL"),
        (2, "error", "exit status 2 says TBROK"),
        (32, "skip", "exit status 32 says TCONF"),
        (33, "error", "exit status 33 says TFAIL"),
    ],
)
def test_no_line_at_all(status: int, outcome: str, what: str) -> None:
    (one,) = judged("ltp", b"tst_test.c:1: TINFO: nothing\n", status)
    assert (one.test, str(one.status)) == ("t", outcome)
    assert what in one.message


def test_what_was_told_before_a_bad_end_stays() -> None:
    results = judged("ltp", read("fails"), None, Ended.TIMEOUT, "60 s")
    assert statuses(results) == {"t.1": "pass", "t.2": "fail", "t": "timeout"}
    results = judged("ltp", read("new"), 139)
    assert (results[-1].test, results[-1].status) == ("t", "error")
    assert judged("ltp", b"", None, Ended.INTERRUPTED)[-1].cut


def test_thousands_of_results_are_told_and_the_rest_is_no_pass() -> None:
    lines = b"".join(b"a.c:1: TPASS: page %d\n" % n for n in range(10_001))
    results = judged("ltp", lines + SUMMARY.replace(b"3", b"10001"))
    assert len(results) == 10_001
    assert not passed(results)
