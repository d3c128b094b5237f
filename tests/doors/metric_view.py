# SPDX-License-Identifier: GPL-2.0-only
"""A view of one metric: the seconds that a sync took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lab.analysis.claims import Pair
from lab.model.records import TestResult
from lab.report.lines import Line, Signs, line, title
from lab.report.metrics.view import Measured, MetricView
from lab.report.site.chart import Bar, Chart, bars


def _seconds(results: Iterable[TestResult]) -> Iterator[tuple[TestResult, float]]:
    for result in results:
        yield from ((result, one.value) for one in result.metrics if one.name == "sync_s")


def lines(results: Sequence[TestResult], signs: Signs, columns: int) -> Iterator[Line]:
    """Each, below a title."""
    yield title("Seconds of a sync")
    for result, seconds in _seconds(results):
        yield line("  ", f"{result.filesystem} {signs.arrow} {seconds:.1f}"[:columns])


def measured(pairs: Mapping[str, Pair]) -> Measured:
    """Those of the patched kernels."""
    rows = tuple(
        (kernel, f"{seconds:.1f}")
        for kernel, pair in pairs.items()
        for _, seconds in _seconds(pair.patched.results)
    )
    return Measured("Sync, seconds", ("kernel", "seconds"), rows)


def charts(results: Sequence[TestResult]) -> Iterator[Chart]:
    """One chart of all."""
    rows = [Bar(one.filesystem, (("sync", 0.0, s),), "") for one, s in _seconds(results)]
    yield bars("syncs", "Syncs", "Seconds of each sync.", rows, "s")


SYNC = MetricView(
    frozenset({"sync_s"}),
    table=f"{__name__}:lines",
    claims=f"{__name__}:measured",
    charts=f"{__name__}:charts",
)
