# SPDX-License-Identifier: GPL-2.0-only
"""How measured numbers are shown: a line for each kind, and nothing else names them.

A number that no line is for is in the JSON and among a test's details, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.model.maker import made_by
from lab.model.records import TestResult

if TYPE_CHECKING:
    from lab.analysis.claims import Pair
    from lab.report.lines import Line, Signs
    from lab.report.site.chart import Chart


@dataclass(frozen=True)
class Measured:
    """A table of what was measured, for a document."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class MetricView:
    """How some metrics are shown.

    Each maker is ``MODULE:NAME``, looked up when it is asked for; "" shows nothing there.

    Attributes:
        metrics: The names of those that are its own.
        table: Of a section of a run's table: takes the run's results, Signs and the columns
            there are, gives Lines.
        claims: Of a table below a claim: takes the pairs of base and patched by kernel,
            gives Measured.
        charts: Of a report's page of plots: takes the run's results, gives Charts.
    """

    metrics: frozenset[str]
    table: str = ""
    claims: str = ""
    charts: str = ""


_HERE = __name__.rpartition(".")[0]

VIEWS: dict[str, MetricView] = {
    "first-access": MetricView(
        frozenset({"first_access_ns_per_page"}),
        table=f"{_HERE}.first_access_table:first_access_lines",
        claims=f"{_HERE}.first_access:first_access_measured",
        charts=f"{_HERE}.first_access_charts:first_access_charts",
    ),
}


def tables(results: Sequence[TestResult], signs: Signs, columns: int) -> Iterator[Iterable[Line]]:
    """The sections of a run's table, one for each view of what was measured."""
    for view in _views_of(_measured(results)):
        if view.table:
            lines: Callable[[Sequence[TestResult], Signs, int], Iterable[Line]]
            lines = made_by(view.table)
            yield lines(results, signs, columns)


def claim_tables(metrics: Iterable[str], pairs: Mapping[str, Pair]) -> Iterator[Measured]:
    """What a claim on these metrics is shown with."""
    for view in _views_of(metrics):
        if view.claims:
            measured: Callable[[Mapping[str, Pair]], Measured] = made_by(view.claims)
            yield measured(pairs)


def charts(results: Sequence[TestResult]) -> Iterator[Chart]:
    """What was measured, as charts."""
    for view in _views_of(_measured(results)):
        if view.charts:
            made: Callable[[Sequence[TestResult]], Iterable[Chart]] = made_by(view.charts)
            yield from made(results)


def _views_of(metrics: Iterable[str]) -> list[MetricView]:
    names = frozenset(metrics)
    return [view for view in VIEWS.values() if view.metrics & names]


def _measured(results: Iterable[TestResult]) -> set[str]:
    return {metric.name for result in results for metric in result.metrics}
