# SPDX-License-Identifier: GPL-2.0-only
"""What of a program did not run: whose its end was, and what is still to be counted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from lab.guest.guest import Guest
from lab.model.status import DEAD, Status
from lab.suites.judge import Judged
from lab.suites.ktap import Report
from lab.suites.suite import Suite

#: A plan may say anything; of more than that, one result says it.
_MOST = 10_000


@dataclass(frozen=True)
class Rest:
    """The tests of a program that its end left: ``missing`` of ``planned``.

    Attributes:
        done: The names of those that have a result.
        why: What ended it.
        listed: Whether the program can be asked for their names, and run one by one.
    """

    planned: int
    missing: int
    done: frozenset[str]
    why: str
    listed: bool

    def names(self, program: str) -> Iterator[str]:
        """Names for what nobody can name: ``mlock (test 14 of 39)``."""
        if self.missing > _MOST:
            yield f"{program} ({self.missing} of {self.planned} tests)"
            return
        for number in range(self.planned - self.missing + 1, self.planned + 1):
            yield f"{program} (test {number} of {self.planned})"


def rest_of(report: Report, judged: Sequence[Judged], program: str, *, listed: bool) -> Rest | None:
    """What the results of a report left of its plan; None when that is nothing.

    A result that the report does not have stands for one of its tests: how it ended.
    """
    reported = [test.name for test in report.tests if test.ok is not None]
    more = len(judged) - sum(test.ok is not None for _, test in report.walk())
    missing = (report.planned or 0) - len(reported) - more
    if missing <= 0:
        return None
    ends = judged[len(judged) - more :] if more else ()
    done = {*reported, *(end.test for end in ends if not _is_whole(end.test, program))}
    why = ends[-1].message if ends else "the program ended before it"
    return Rest(report.planned or 0, missing, frozenset(done), why, listed)


def blame(program: str, judged: Sequence[Judged], test: str) -> tuple[Judged, ...]:
    """The program's own result is that of the test during which it ended, if that is known."""
    if not test or test == program or all(one.test != program for one in judged):
        return tuple(judged)
    # The last: a test may have the program's name, and has it first.
    whole = [one for one in judged if _is_whole(one.test, program)][-1]
    others = [one for one in judged if one is not whole]
    for place, result in enumerate(others):
        if result.test == test:
            others[place] = _both(result, whole)
            return tuple(others)
    return (*others, replace(whole, test=test))


def _is_whole(test: str, program: str) -> bool:
    """Whether a name may be that of a program's own result: told_apart() may have numbered it."""
    return re.fullmatch(rf"{re.escape(program)}(?: \(\d+\))?", test) is not None


def _both(result: Judged, whole: Judged) -> Judged:
    """What the kernel said during a test, or it itself, with how its program ended."""
    complained = result.status in DEAD
    # What went wrong with the lab, too, is no excuse for what the kernel had said.
    status = result.status if complained and whole.status is Status.ERROR else whole.status
    itself = f"the test itself: {result.status}"
    title, _, more = whole.message.partition(": ")
    # What the kernel said is said once.
    ended = more if title in result.message else whole.message
    said = (result.message, ended) if complained else (whole.message, itself)
    return replace(
        result,
        status=status,
        message="; ".join(filter(None, said)),
        diagnostics=(*result.diagnostics, *whole.diagnostics),
        cut=whole.cut,
        complaint=result.complaint or whole.complaint,
        signal=whole.signal,
        broke_off=whole.broke_off,
    )


def list_tests(
    guest: Guest, suite: Suite, command: str | None, done: Collection[str] = ()
) -> tuple[str, ...] | None:
    """The names of a program's tests, in order; None if it does not list them.

    One that does not know how runs instead: then those that it ran before are not there.

    Args:
        command: What makes it list them; None where nothing does.

    Raises:
        GuestDied, CommandTimeout: It ran, and did it again.
    """
    if command is None:
        return None
    said = guest.run(command)
    names = suite.listed(said.stdout, said.status)
    # Each name is going to be a guest of its own: of so many none would see the end.
    if names is None or len(names) > _MOST or not set(done) <= set(names):
        return None
    return names
