# SPDX-License-Identifier: GPL-2.0-only
"""From what a program printed, and how it ended, to results.

What the program did not say is never taken for a pass: whatever is wrong with
the report as a whole adds a result of its own, named after the program.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from lab.model.metric import Metric, parse_metric
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.suites.ktap import Report, Test
from lab.text import without_escapes

#: tools/testing/selftests/kselftest.h: "the test was skipped".
_KSFT_SKIP = 4
#: include/uapi/asm-generic/signal.h: _NSIG.  255 is an exit(-1), and no signal.
_MOST_SIGNALS = 64
_MOST_PROBLEMS = 4
_MESSAGE_LINES = 3
_CLAIMED = {status.row.ktap: status for status in Status if status.row.ktap}


class Ended(Enum):
    """How a guest program came to its end."""

    EXITED = "exited"
    #: The lab was interrupted while it ran: nobody knows how it would have ended.
    INTERRUPTED = "interrupted"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    GUEST_DIED = "guest died"


@dataclass(frozen=True)
class Judged:
    """The result of one test, or of the program as a whole.

    Attributes:
        users_fault: It is an error that lies in what the lab was given.
        unrun: Why nobody ran it.
        cut: It stands for a program that was interrupted, and says nothing of its end.
        complaint: What of the kernel's made it what it is; "" where nothing did.
        signal: What killed the program that it stands for: ``SIGSEGV``; "" where none did.
        broke_off: The program's own word for that it could not test; "" for none.
    """

    test: str
    status: Status
    message: str = ""
    diagnostics: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    users_fault: bool = False
    unrun: Unrun | None = None
    cut: bool = False
    complaint: str = ""
    signal: str = ""
    broke_off: str = ""


def judge(
    program: str,
    report: Report,
    exit_status: int | None,
    *,
    ended: Ended = Ended.EXITED,
    signal: int | None = None,
    selected: bool = False,
    detail: str = "",
) -> tuple[Judged, ...]:
    """Judge each test of a report, and the report as a whole.

    Args:
        program: Its name; the result of the program as a whole bears it.
        exit_status: None when nobody knows it.
        signal: The number of the signal that killed the program; an exit
            status of 128 + N, as a shell reports it, means the same.
        selected: Tests were picked with ``-k``, so a program that has none of
            them says nothing.
        detail: What the lab knows of a timeout or a dead guest: the deadline
            that passed, the panic.

    ``# SKIP`` skips whether ``ok`` or not.  ``# TODO`` and ``# XFAIL`` excuse
    nothing, since what is expected to fail is for ``lab.toml`` to say; and an
    ``ok`` with ``# XFAIL`` is kselftest's way to print a failure.
    """
    judged = _judge_tests(report)
    status, wrong = _judge_end(ended, exit_status, signal, detail, judged, report)
    if report.bailed is not None:
        wrong.append(f"bailed out: {report.bailed}" if report.bailed else "bailed out")
    wrong.extend(_shorten(report.problems))
    if wrong:
        whole = _whole(program, status, "; ".join(wrong), report)
        cut = ended is Ended.INTERRUPTED
        judged.append(replace(whole, cut=cut, signal=killed_by(ended, exit_status, signal)))
    elif report.planned == 0 and not selected:
        judged.append(_nothing_planned(program, report))
    return told_apart(judged)


def told_apart(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """Number results of one name: no result may hide another, or be taken for its repetition.

    A number that is a part of another's own name is left to that.
    """
    taken = {one.test for one in judged}
    numbers: dict[str, int] = {}
    found = []
    for one in judged:
        name, number = one.test, numbers.get(one.test, 0) + 1
        while number > 1 and (name := f"{one.test} ({number})") in taken:
            number += 1
        numbers[one.test] = number
        found.append(replace(one, test=name))
    return tuple(found)


def _judge_tests(report: Report) -> list[Judged]:
    judged = [_judge_test(name, test) for name, test in report.walk() if test.ok is not None]
    _, metrics = _split(report.diagnostics)
    if judged:
        # A metric says itself what it is about; one after the last result is not lost.
        judged[-1] = replace(judged[-1], metrics=judged[-1].metrics + metrics)
    return judged


def _judge_test(name: str, test: Test) -> Judged:
    diagnostics, metrics = _split(test.diagnostics)
    status = _status(test)
    message = test.reason
    if not message and not status.is_ok and diagnostics:
        # Those nearest to the result line: what was checked last.
        message = "; ".join(diagnostics[-_MESSAGE_LINES:])
    if test.directive in {"TODO", "XFAIL"}:
        message = f"{test.directive}: {message}" if message else test.directive
    return Judged(name, status, message, diagnostics, metrics)


def _status(test: Test) -> Status:
    if test.directive in _CLAIMED:
        return _CLAIMED[test.directive]
    return Status.PASS if test.ok and test.directive != "XFAIL" else Status.FAIL


def _split(lines: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Metric, ...]]:
    read = [(line, parse_metric(line)) for line in lines]
    text = tuple(line for line, metric in read if metric is None)
    return text, tuple(metric for _, metric in read if metric is not None)


def _judge_end(
    ended: Ended,
    exit_status: int | None,
    signal: int | None,
    detail: str,
    judged: list[Judged],
    report: Report,
) -> tuple[Status, list[str]]:
    if bad := bad_end(ended, exit_status, detail, signal=signal):
        return bad[0], [bad[1]]
    assert exit_status is not None
    if not _explained(exit_status, judged, report):
        said = f"exited with status {exit_status} although no test failed{_suffix(detail)}"
        return Status.ERROR, [said]
    return Status.ERROR, []


def bad_end(
    ended: Ended, exit_status: int | None, detail: str, *, signal: int | None = None
) -> tuple[Status, str] | None:
    """What a program is that did not end by itself, and why; None if it did, with a status.

    Args:
        exit_status: 128 + N, as a shell reports it, is an end by signal N.
        detail: What the lab knows of a timeout or a dead guest.
        signal: The number of the signal that killed it, where that is known.
    """
    suffix = _suffix(detail)
    if ended is Ended.GUEST_DIED:
        return Status.CRASH, f"the guest died while it ran{suffix}"
    if ended is Ended.STALLED:
        return Status.TIMEOUT, _one_line(detail)
    if ended is Ended.TIMEOUT:
        return Status.TIMEOUT, f"was still running at its deadline{suffix}"
    if name := killed_by(ended, exit_status, signal):
        return Status.ERROR, f"was killed by {name}{suffix}"
    if exit_status is None:
        return Status.ERROR, f"ended without an exit status{suffix}"
    return None


def killed_by(ended: Ended, exit_status: int | None, signal: int | None = None) -> str:
    """The signal that killed a program which nobody else ended, by its name; "" for none."""
    if ended is not Ended.EXITED:
        return ""
    number = signal if signal is not None else _signal_of(exit_status)
    return "" if number is None else _signal_name(number)


def _one_line(detail: str) -> str:
    return without_escapes(" ".join(detail.split()))


def _suffix(detail: str) -> str:
    said = _one_line(detail)
    return f" ({said})" if said else ""


def _explained(exit_status: int, judged: list[Judged], report: Report) -> bool:
    """Whether the report accounts for the exit status."""
    if exit_status == 0 or report.bailed is not None:
        return True
    statuses = {result.status for result in judged}
    skipped = Status.SKIP in statuses or report.skipped is not None
    if statuses <= {Status.PASS, Status.SKIP}:
        return exit_status == _KSFT_SKIP and skipped
    return True


def _whole(program: str, status: Status, message: str, report: Report) -> Judged:
    return Judged(program, status, message, _split(report.diagnostics)[0])


def _nothing_planned(program: str, report: Report) -> Judged:
    if report.skipped is None:
        return _whole(program, Status.ERROR, "planned no tests, and did not say why", report)
    return _whole(program, Status.SKIP, report.skipped, report)


def _shorten(problems: tuple[str, ...]) -> list[str]:
    shown = list(problems[:_MOST_PROBLEMS])
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more faults in its output")
    return shown


def _signal_of(exit_status: int | None) -> int | None:
    number = (exit_status or 0) - 128
    return number if 0 < number <= _MOST_SIGNALS else None


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signals.Signals(number).name
    return f"signal {number}"
