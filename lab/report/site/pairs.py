# SPDX-License-Identifier: GPL-2.0-only
"""A kernel with a series beside the same kernel without it: what the tests did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lab.analysis.verdict import TestVerdict, Verdict, compare
from lab.model.job_name import job_name
from lab.report.site.page_data import Cell, Job, Report
from lab.report.site.status_mark import Mark

_MOST_LINKS = 200


@dataclass(frozen=True)
class Turn:
    """Tests that ended one way without the series and another way with it."""

    before: Mark
    after: Mark
    links: tuple[tuple[str, str], ...]
    count: int


@dataclass(frozen=True)
class Pair:
    """The two kernels; ``why`` says what is wanting when there are no rows."""

    base: str
    patched: str
    rows: tuple[Turn, ...] = ()
    why: str = ""
    verdicts: tuple[tuple[Verdict, int], ...] = ()
    #: It broke a test that nobody expected it to break.
    bad: bool = False

    @property
    def sentence(self) -> str:
        """``96 fixed, 64 still passing``."""
        return ", ".join(f"{number} {verdict}" for verdict, number in self.verdicts)


def pair(report: Report, patched: Job, series: str) -> Pair:
    """Compare a job with the one of this run that only lacks the series."""
    base_name = patched.record.variant.without(series)
    place = (base_name, patched.record.machine, patched.record.config)
    bases = [job for job in report.jobs if job.record.names == place]
    if not bases:
        name = job_name(*place)
        return Pair(name, patched.name, why=f"{name} is not in this run.")
    rows = _turns(_cells(bases[0]), _cells(patched))
    why = "" if rows else "They have no test in common."
    verdicts = _verdicts(bases[0], patched, series)
    counted = Counter(test.verdict for test in verdicts)
    return Pair(
        bases[0].name,
        patched.name,
        rows,
        why,
        tuple((verdict, counted[verdict]) for verdict in Verdict if counted[verdict]),
        _is_bad(verdicts, patched),
    )


def all_pairs(report: Report) -> list[tuple[str, Pair]]:
    """Each series that goes on last, on each kernel that is in the run without it too."""
    lasts = ((job.record.variant.series[-1:], job) for job in report.jobs)
    pairs = [(name, pair(report, job, name)) for last, job in lasts for name in last]
    return [(name, found) for name, found in pairs if found.verdicts]


def _verdicts(base: Job, patched: Job, series: str) -> tuple[TestVerdict, ...]:
    """What the series did, as ``lab verify`` judges it; only the one that goes on last can be."""
    digests = patched.record.evidence.series_digests
    if not digests or digests[-1][0] != series:
        return ()
    return compare(base.record, patched.record, digests[-1])


def _is_bad(verdicts: Iterable[TestVerdict], patched: Job) -> bool:
    odd = {
        (result.filesystem, result.suite, result.test)
        for result in patched.record.results
        if not result.as_expected
    }
    regressed = (test for test in verdicts if test.verdict is Verdict.REGRESSED)
    return any((test.filesystem, test.suite, test.test) in odd for test in regressed)


def _cells(job: Job) -> dict[tuple[str, str, str], Cell]:
    return {
        (cell.key.filesystem, cell.key.suite, cell.fragment): cell
        for group in job.groups
        for cell in group.cells
    }


def _turns(
    before: dict[tuple[str, str, str], Cell], after: dict[tuple[str, str, str], Cell]
) -> tuple[Turn, ...]:
    found: dict[tuple[Mark, Mark], list[Cell]] = {}
    for key, cell in after.items():
        if key in before:
            found.setdefault((before[key].mark, cell.mark), []).append(cell)
    turns = [
        Turn(was, now, tuple(map(_link, cells[:_MOST_LINKS])), len(cells))
        for (was, now), cells in found.items()
    ]
    # What changed is what one looks for.
    return tuple(sorted(turns, key=lambda turn: (turn.before == turn.after, turn.after.rank)))


def _link(cell: Cell) -> tuple[str, str]:
    return f"{cell.key.test} {cell.key.filesystem}", cell.href
