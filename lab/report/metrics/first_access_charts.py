# SPDX-License-Identifier: GPL-2.0-only
"""What MAP_POPULATE saves at first access, as charts."""

from __future__ import annotations

from collections.abc import Sequence

from lab.model.records import TestResult
from lab.report.metrics.first_access import accesses
from lab.report.site.chart import Chart, Pair, dumbbells
from lab.report.site.page_names import safe_name


def first_access_charts(results: Sequence[TestResult]) -> list[Chart]:
    """A chart for each filesystem."""
    found = accesses(results)
    charts = []
    for filesystem in dict.fromkeys(access.filesystem for access in found):
        mine = [access for access in found if access.filesystem == filesystem]
        order = list(dict.fromkeys(access.mapping for access in mine))
        mine.sort(key=lambda access: order.index(access.mapping))
        pairs = [Pair(a.variant, a.without, a.populated, a.mapping) for a in mine]
        charts.append(
            dumbbells(
                f"access-{safe_name(filesystem)}",
                f"First access on {filesystem}, ns a page",
                "Nanoseconds to read a page for the first time, on a logarithmic scale. Ring: "
                "without MAP_POPULATE; dot: with it; beside them, how many times faster it is. "
                "A kernel that does not populate shows a dot near its ring.",
                pairs,
                ("without", "with MAP_POPULATE"),
                "ns",
            )
        )
    return charts
