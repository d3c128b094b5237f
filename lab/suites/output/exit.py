# SPDX-License-Identifier: GPL-2.0-only
"""Programs that tell by their exit status, each one test of its own name.

0 is a pass, 4 and 77 a skip (tools/testing/selftests/kselftest.h; automake's "Scripts-based
Testsuites"), all else a failure, and so is a signal that ends it: of programs that print KTAP
a signal is an error, since theirs say what failed.  126 and 127 are the shell's, which could
not start it.  One that does print KTAP is judged by that alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.model.status import Status
from lab.suites.judge import Ended, Judged, bad_end, killed_by
from lab.suites.output.ktap import IN_KTAP, IN_TAP
from lab.suites.output.lines import shown
from lab.suites.suite import ProgramResult

#: A plan begins one too: TAP 12 has no version line.
_REPORT = re.compile(rb"^(K?)TAP version \d+\s*$|^1\.\.\d+\s*(?:#.*)?$", re.MULTILINE)
#: What no program means that ends well: of one without a plan, too.
_NOT_OK = re.compile(rb"^()not ok\b", re.MULTILINE)
_SKIPS = (4, 77)
_NOT_STARTED = (126, 127)
_MESSAGE_LINES = 3
_KEPT_LINES = 20


@dataclass(frozen=True)
class ExitStatus:
    """The status is the result, and the last lines say why."""

    single: bool = True
    merged: bool = True

    def judge(
        self,
        program: str,
        output: bytes,
        status: int | None,
        *,
        ended: Ended,
        detail: str,
        selected: bool,
    ) -> ProgramResult:
        """By its report if it prints one, else by its end; its last lines are the message."""
        report = _REPORT.search(output)
        if report is None and status == 0:
            report = _NOT_OK.search(output)
        if report is not None:
            # The kernel's selftests call it TAP 13, and some name two tests alike.
            return (IN_KTAP if report[1] else IN_TAP).judge(
                program, output, status, ended=ended, detail=detail, selected=selected
            )
        said = tuple(shown(output))
        outcome, why = _by_end(status, ended, detail)
        last = "; ".join(said[-_MESSAGE_LINES:])
        message = ": ".join(filter(None, (why, last)))
        cut = ended is Ended.INTERRUPTED
        by = killed_by(ended, status)
        one = Judged(program, outcome, message, said[-_KEPT_LINES:], cut=cut, signal=by)
        return ProgramResult((one,))


EXIT = ExitStatus()


def _by_end(status: int | None, ended: Ended, detail: str) -> tuple[Status, str]:
    """What its end comes to, and what of that its own words do not say."""
    if ended is Ended.EXITED and status is not None:
        return _by_status(status)
    bad = bad_end(ended, status, detail)
    return bad or (Status.ERROR, f"was interrupted ({detail})")


def _by_status(status: int) -> tuple[Status, str]:
    if status in (0, *_SKIPS):
        return (Status.SKIP if status else Status.PASS), ""
    if why := not_started(status):
        return Status.ERROR, why
    by = killed_by(Ended.EXITED, status)
    return Status.FAIL, f"was killed by {by}" if by else f"exited with status {status}"


def not_started(status: int | None) -> str:
    """What it means that the shell could not start a program; "" where it could."""
    if status not in _NOT_STARTED:
        return ""
    return f"could not be started: the shell gave status {status}"
