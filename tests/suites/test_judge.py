# SPDX-License-Identifier: GPL-2.0-only
"""From reports to results; above all: what is not clean may not look clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.model.metric import Metric, parse_metric
from lab.model.status import Status
from lab.suites import Ended, Judged, judge, parse

GOLDEN = Path(__file__).parent / "golden"
FLAT = (GOLDEN / "flat.ktap").read_bytes()
GOOD = b"KTAP version 1\n1..2\nok 1 one\nok 2 two\n"


def judged(data: bytes, exit_status: int | None = 0, **how: Any) -> tuple[Judged, ...]:
    return judge("prog", parse(data), exit_status, **how)


def extra(data: bytes, exit_status: int | None = 0, **how: Any) -> Judged:
    last = judged(data, exit_status, **how)[-1]
    assert last.test == "prog"
    return last


def test_results() -> None:
    results = {result.test: result for result in judged(FLAT)}
    failed = results["mlock.shared-rw.4k"]
    assert failed.status is Status.FAIL
    assert failed.message.endswith("(Cannot allocate memory); 1 of 1024 pages present")
    assert failed.diagnostics[-1] == "1 of 1024 pages present"
    assert results["mlock.private-rw.4k"].status is Status.PASS
    skipped = results["mlock2.shared-rw.4k"]
    assert (skipped.status, skipped.message) == (Status.SKIP, "mlock2 came with Linux 4.4")
    assert len(results) == 4


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("ok 1 t", Status.PASS, ""),
        ("not ok 1 t", Status.FAIL, ""),
        ("not ok 1 t # rcode=3", Status.FAIL, "rcode=3"),
        ("ok 1 t # SKIP", Status.SKIP, ""),
        ("ok 1 t # skipped: no device", Status.SKIP, "no device"),
        ("not ok 1 t # SKIP no device", Status.SKIP, "no device"),
        ("ok 1 t # TODO", Status.PASS, "TODO"),
        ("not ok 1 t # TODO not written", Status.FAIL, "TODO: not written"),
        ("ok 1 t # XFAIL broken since 5.4", Status.FAIL, "XFAIL: broken since 5.4"),
        ("not ok 1 t # TIMEOUT 30 s", Status.TIMEOUT, "30 s"),
        ("ok 1 t # TIMEOUT 30 s", Status.TIMEOUT, "30 s"),
        ("not ok 1 t # ERROR no memory", Status.ERROR, "no memory"),
        ("not ok 1 t # skipping the check broke it", Status.FAIL, "skipping the check broke it"),
        ("ok 1 t # TODOS", Status.PASS, "TODOS"),
    ],
)
def test_directives(line: str, status: Status, message: str) -> None:
    (result,) = judged(f"KTAP version 1\n1..1\n{line}\n".encode())
    assert (result.test, result.status, result.message) == ("t", status, message)


def test_a_good_report_is_all_there_is() -> None:
    assert [result.status for result in judged(GOOD)] == [Status.PASS, Status.PASS]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "printed nothing"),
        (b"hello\n", "printed no KTAP plan"),
        (b"KTAP version 1\nok 1 one\n", "printed no KTAP plan (last: one)"),
        (b"1..1\nok 1 one\n", "printed no KTAP version line"),
        (b"KTAP version 1\n1..40\nok 1 one\n", "planned 40 tests, reported 1 (last: one)"),
        (b"KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "planned 1 test, reported 2 (last: b)"),
        (b"KTAP version 1\n1..2\nok 1 a\nok 2 a\n", "reported a twice"),
        (b"KTAP version 1\n1..1\nok 1 a", "was cut off in the middle of a line (ok 1 a)"),
        (b"KTAP version 1\n1..1\nok 1 a\nBail out! no pagemap\n", "bailed out: no pagemap"),
        (b"KTAP version 1\n1..0\n", "planned no tests, and did not say why"),
        (
            b"KTAP version 1\n1..1\n  1..1\n  not ok 1 b\nok 1 a\n",
            "calls a ok although a/b is not",
        ),
    ],
)
def test_a_broken_report_is_an_error(data: bytes, says: str) -> None:
    result = extra(data)
    assert result.status is Status.ERROR
    assert says in result.message


def test_what_was_reported_before_stays() -> None:
    results = judged(b"KTAP version 1\n1..3\nok 1 one\nnot ok 2 two\n")
    assert [result.status for result in results] == [Status.PASS, Status.FAIL, Status.ERROR]


def test_a_parent_that_never_ended_has_no_result() -> None:
    results = judged((GOLDEN / "cut-in-subtests.ktap").read_bytes())
    assert [(result.test, result.status) for result in results] == [
        ("populate/shared-rw", Status.PASS),
        ("populate/shared-ro", Status.FAIL),
        ("prog", Status.ERROR),
    ]


@pytest.mark.parametrize(
    ("exit_status", "how", "status", "says"),
    [
        (1, {}, Status.ERROR, "exited with status 1 although no test failed"),
        (4, {}, Status.ERROR, "exited with status 4"),
        (None, {}, Status.ERROR, "ended without an exit status"),
        (None, {"signal": 11}, Status.ERROR, "was killed by SIGSEGV"),
        (139, {}, Status.ERROR, "was killed by SIGSEGV"),
        (128 + 64, {}, Status.ERROR, "was killed by SIGRTMAX"),
        (255, {}, Status.ERROR, "exited with status 255 although no test failed"),
        (None, {"ended": Ended.TIMEOUT}, Status.TIMEOUT, "still running at its deadline"),
        (0, {"ended": Ended.TIMEOUT}, Status.TIMEOUT, "still running at its deadline"),
        (None, {"ended": Ended.GUEST_DIED}, Status.CRASH, "the guest died while it ran"),
    ],
)
def test_a_bad_end_is_told_although_all_was_ok(
    exit_status: int | None, how: dict[str, Any], status: Status, says: str
) -> None:
    results = judged(GOOD, exit_status, **how)
    assert [result.status for result in results[:2]] == [Status.PASS, Status.PASS]
    result = extra(GOOD, exit_status, **how)
    assert result.status is status
    assert says in result.message
    assert result.signal == (says.rpartition(" ")[2] if "was killed" in says else "")


def test_only_a_signal_that_nobody_sent_is_told() -> None:
    """What the lab ends at a deadline, or a dead guest took along, was killed by that."""
    for ended in (Ended.TIMEOUT, Ended.STALLED, Ended.GUEST_DIED, Ended.INTERRUPTED):
        assert extra(GOOD, 137, ended=ended).signal == ""


def test_detail_is_one_clean_line() -> None:
    result = extra(GOOD, None, ended=Ended.GUEST_DIED, detail="\x1b[31mBUG:\x1b[0m\r\n at\x07 0\n")
    assert result.message == "the guest died while it ran (BUG: at\ufffd 0)"


@pytest.mark.parametrize("exit_status", [0, 1])
def test_failures_account_for_the_exit_status(exit_status: int) -> None:
    assert all(result.test != "prog" for result in judged(FLAT, exit_status))


def test_skipping_accounts_for_kselftest_s_exit_status() -> None:
    data = b"KTAP version 1\n1..1\nok 1 one # SKIP\n"
    assert [result.status for result in judged(data, 4)] == [Status.SKIP]
    assert extra(data, 1).status is Status.ERROR


def test_a_program_that_skips_all() -> None:
    data = (GOLDEN / "skip-all.ktap").read_bytes()
    for status in (0, 4):
        assert judged(data, status) == (Judged("prog", Status.SKIP, "no /dev/pmem0"),)
        assert judged(data, status, selected=True) == ()
    assert extra(data, 1, selected=True).status is Status.ERROR


def test_selection_does_not_excuse_a_broken_report() -> None:
    assert extra(b"", selected=True).status is Status.ERROR


def test_no_result_hides_another_of_its_name() -> None:
    results = judged(b"KTAP version 1\n1..2\nnot ok 1 prog\nok 2 prog\n")
    assert [(result.test, result.status) for result in results] == [
        ("prog", Status.FAIL),
        ("prog (2)", Status.PASS),
        ("prog (3)", Status.ERROR),
    ]


def test_a_number_that_another_name_ends_with_is_left_to_it() -> None:
    results = judged(b"KTAP version 1\n1..4\nok 1 a\nnot ok 2 a\nok 3 a (2)\nok 4 a\n")
    assert [result.test for result in results[:4]] == ["a", "a (3)", "a (2)", "a (4)"]


def test_many_problems_make_a_short_message() -> None:
    lines = b"".join(b"ok 7 t%d\n" % n for n in range(50))
    message = extra(b"KTAP version 1\n" + lines).message
    assert "more faults in its output" in message
    assert len(message) < 300


def test_metrics_leave_the_diagnostics_wherever_they_are() -> None:
    results = judged(
        b"KTAP version 1\n1..2\n"
        b"# metric ns mapping=shared-rw size=4k populate=no value=812.5\n# plain\nok 1 a\n"
        b"ok 2 b\n# metric ns populate=yes value=87\n"
    )
    labels = (("mapping", "shared-rw"), ("size", "4k"), ("populate", "no"))
    assert results[0].metrics == (Metric("ns", labels, 812.5),)
    assert results[0].diagnostics == ("plain",)
    assert results[1].metrics == (Metric("ns", (("populate", "yes"),), 87.0),)


@pytest.mark.parametrize(
    "line",
    [
        "metric",
        "metric ns",
        "metric ns value=",
        "metric ns value=fast",
        "metric ns value=nan",
        "metric ns value=inf",
        "metric ns a=b",
        "metric ns value=1 value=2",
        "metric ns stray value=1",
        "metric ns =x value=1",
        "metrics ns value=1",
    ],
)
def test_what_is_no_metric(line: str) -> None:
    assert parse_metric(line) is None


@pytest.mark.parametrize("line", ["ok 1 t", "ok 1 t # SKIP"])
def test_what_a_good_test_says_is_no_message(line: str) -> None:
    (result,) = judged(f"KTAP version 1\n1..1\n# 1024 of 1024 pages\n{line}\n".encode())
    assert (result.message, result.diagnostics) == ("", ("1024 of 1024 pages",))


@pytest.mark.parametrize("directive", ["SKIP", "TODO", "XFAIL"])
def test_a_subtest_that_may_fail_breaks_no_parent(directive: str) -> None:
    inner = f"    KTAP version 1\n    1..1\n    not ok 1 a # {directive}\n"
    text = f"KTAP version 1\n1..1\n{inner}ok 1 t\n"
    assert [result.test for result in judged(text.encode())] == ["t/a", "t"]
