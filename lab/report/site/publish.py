# SPDX-License-Identifier: GPL-2.0-only
"""From the database to a report: which run, which baseline, where to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lab.analysis.compare import Change, Comparison, compare
from lab.model.bisection import BisectionRecord
from lab.model.records import RunRecord
from lab.report.site.bisections import Bisected, chosen
from lab.report.site.facts import AWAITED
from lab.report.site.page_data import Report, make_report
from lab.report.site.site import write_site
from lab.results.past_endings import Trail
from lab.results.store import Store

#: Of what only one of two runs was asked for.
_MOST_ASKED = 4


#: Gives the bisections of a lab, the newest first.
Bisections = Callable[[], Sequence[BisectionRecord]]


def gather(
    store: Store,
    results: Path,
    run: str = "latest",
    baseline: str | None = None,
    bisections: Bisections = tuple,
    *,
    goes_on: bool = False,
) -> Report:
    """All that a report tells.

    Args:
        goes_on: Whether somebody is at work on the run: what it has not yet is no trouble then.
        results: Where runs are recorded; a run's folder may have been moved with it.
        baseline: The run to compare with; by default the last that was asked the same.
        bisections: Those that were made beside the runs.

    Raises:
        UserError: There is no such run.
    """
    record = store.load(run)
    trail = store.trail(record.id)
    comparison = _compare(store, record, trail, baseline)
    if goes_on and comparison is not None:
        comparison = _so_far(comparison) if record.results else None
    report = make_report(record, trail, comparison, (results / record.id, Path(record.folder)))
    bisected = _bisected(store, bisections(), record.id)
    return replace(report, bisected=bisected, goes_on=goes_on)


def _so_far(comparison: Comparison) -> Comparison:
    """Without what the later run may be about to have."""
    awaited = {f"{comparison.b}: {text}" for text in AWAITED}
    return replace(
        comparison,
        tests=tuple(
            test
            for test in comparison.tests
            if test.after or test.change is not Change.INFRASTRUCTURE
        ),
        troubles=tuple(text for text in comparison.troubles if text not in awaited),
    )


def _bisected(store: Store, records: Sequence[BisectionRecord], run: str) -> Bisected:
    found = chosen(records, run)
    return Bisected(found, store.known() if found else frozenset(), store.load, run)


def publish(
    store: Store,
    results: Path,
    run: str = "latest",
    baseline: str | None = None,
    output: Path | None = None,
    troubles: Callable[[str], object] = lambda _: None,
    bisections: Bisections = tuple,
    *,
    goes_on: bool = False,
) -> Path:
    """Write the report of a run; returns its first page.

    Args:
        bisections: Those that were made beside the runs.
        troubles: Is told of each page that could not be made.
        goes_on: See gather().

    Raises:
        UserError: There is no such run, or ``output`` holds something else.
        InfrastructureError: It cannot be written.
    """
    report = gather(store, results, run, baseline, bisections, goes_on=goes_on)
    return write_site(report, output or results / report.run.id / "report", troubles)


def _compare(store: Store, run: RunRecord, trail: Trail, baseline: str | None) -> Comparison | None:
    name = baseline or trail.baseline()
    if name is None:
        return None
    before = store.load(name)
    comparison = compare(before, run, store.unstable(before, run))
    return replace(comparison, notes=(*_asked(before, run), *comparison.notes))


def _asked(before: RunRecord, run: RunRecord) -> Iterator[str]:
    """In what two runs were not asked the same, as far as both tell."""
    if not (before.question and run.question):
        return
    for name, jobs in (
        (before.id, before.question - run.question),
        ("this run", run.question - before.question),
    ):
        shown = "; ".join(sorted(job.describe() for job in jobs)[:_MOST_ASKED])
        more = f"; and {len(jobs) - _MOST_ASKED} more" if len(jobs) > _MOST_ASKED else ""
        if jobs:
            yield f"only {name} was asked for {shown}{more}"
