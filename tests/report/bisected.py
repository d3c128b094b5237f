# SPDX-License-Identifier: GPL-2.0-only
"""Bisections beside recorded runs: played ones, each in its own folder of the results."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lab.bisect.bisection import Bisection, Paused
from lab.bisect.ends import NoDifference
from lab.bisect.folder import Bisections
from lab.bisect.of_test import OfTest
from lab.bisect.point import Point
from lab.bisect.records import bisection_records
from lab.bisect.told import Seen, Sight
from lab.model.records import RunRecord
from lab.model.status import Status
from lab.report.site import make_report, write_site
from lab.report.site.bisections import Bisected, chosen
from lab.results import Trail
from tests.bisect.played import (
    NOT_BUILT,
    OURS,
    PASSES,
    PlayedTrier,
    begun,
    fails_from,
    now_and_then,
    subject_of,
)
from tests.report.recorded import HOSTILE
from tests.results.made import job, result, run

#: Of the row's commits this one brought the bug, and that one does not build.
FIRST_BAD, UNBUILT, LAST = 6, 8, 16


def bisected(
    results: Path, show: Callable[[Point, int], Seen], asked: str = "mmap", last: int = LAST
) -> str:
    """Bisect a row of commits; gives the bisection's name, whatever it came to."""
    subject, question = subject_of(last), OfTest(asked)
    name, log = Bisections(results).going_on(begun(subject, question))
    with suppress(NoDifference, Paused):
        Bisection(subject, question, PlayedTrier(show), log).run()
    return name


def report_beside(results: Path, known: frozenset[str] | None = None, own: str = "") -> Path:
    """The report of a run beside the bisections."""
    made = run(job(result()), id=own or "20260101-120000-ab12")
    records = chosen(bisection_records(results), made.id)
    runs = frozenset(name for record in records for name in record.runs)

    def load(name: str) -> RunRecord:
        return run(job(result("mmap", Status.FAIL, message=f"{HOSTILE} in {name}")), id=name)

    report = replace(
        make_report(made, Trail((made,)), None, ()),
        bisected=Bisected(records, runs if known is None else known, load, made.id),
    )
    return write_site(report, results / "report").parent


def shows(point: Point, number: int) -> Seen:
    """A bug in the middle, and a commit that does not build."""
    if int(point.key) == UNBUILT:
        return NOT_BUILT
    return fails_from(FIRST_BAD)(point, number)


def hostile(point: Point, _: int) -> Seen:
    """The same bug, by a guest that says what it likes."""
    failed = Seen(Sight.FAILS, f"\x1b[2J{HOSTILE}", ("x",))
    return failed if int(point.key) >= FIRST_BAD else PASSES


def flaky(point: Point, number: int) -> Seen:
    """The same bug, one time in two."""
    return _DICE(point, number)


_DICE = now_and_then(fails_from(FIRST_BAD), 0.5, 1)


def unbuilt(point: Point, number: int) -> Seen:
    """Nothing between the ends builds."""
    return fails_from(1)(point, number) if int(point.key) in (0, LAST) else NOT_BUILT


def breaks_off(point: Point, number: int) -> Seen:
    """The machine's trouble, as soon as both ends are known."""
    return fails_from(1)(point, number) if int(point.key) in (0, LAST) else OURS
