# SPDX-License-Identifier: GPL-2.0-only
"""What MAP_POPULATE saves at first access, as ``guest-tests/first-access.c`` tells it.

It prints, before the result of ``first-access.MAPPING.SIZE``, two lines
``# metric first_access_ns_per_page populate=no|yes value=NUMBER``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from lab.analysis.claims import Pair
from lab.model.records import TestResult
from lab.report.metrics.view import Measured

_METRIC = "first_access_ns_per_page"


@dataclass(frozen=True)
class Access:
    """Nanoseconds a page at first access; None where it was not measured."""

    variant: str
    filesystem: str
    mapping: str
    without: float | None
    populated: float | None

    @property
    def ratio(self) -> float | None:
        """How many times faster with MAP_POPULATE."""
        if self.without is None or not self.populated:
            return None
        return self.without / self.populated


def accesses(results: Iterable[TestResult]) -> list[Access]:
    """The pairs, in the order measured; of repeated measurements the median."""
    values: dict[tuple[str, str, str], dict[bool, list[float]]] = {}
    for result in results:
        for metric in result.metrics:
            if metric.name == _METRIC:
                key = (result.variant, result.filesystem, _mapping(result.test))
                pair = values.setdefault(key, {})
                pair.setdefault(metric.label("populate") == "yes", []).append(metric.value)
    return [Access(*key, _median(pair, False), _median(pair, True)) for key, pair in values.items()]


def _mapping(test: str) -> str:
    _, _, mapping = test.partition(".")
    return mapping.replace(".", " ") or test


def _median(pair: dict[bool, list[float]], populated: bool) -> float | None:
    return median(pair[populated]) if populated in pair else None


def first_access_measured(pairs: Mapping[str, Pair]) -> Measured:
    """Base beside patched, of each kernel."""
    arrow = "without → with MAP_POPULATE"
    head = ("kernel", "filesystem", "mapping", f"base: {arrow}", f"patched: {arrow}")
    return Measured("First access, nanoseconds a page", head, tuple(_rows(pairs)))


def _rows(pairs: Mapping[str, Pair]) -> Iterator[tuple[str, ...]]:
    for kernel, pair in pairs.items():
        base, patched = _by_place(pair.base.results), _by_place(pair.patched.results)
        for key in dict.fromkeys((*base, *patched)):
            yield (kernel, *key, _said(base.get(key)), _said(patched.get(key)))


def _by_place(results: Iterable[TestResult]) -> dict[tuple[str, str], Access]:
    return {(each.filesystem, each.mapping): each for each in accesses(results)}


def _said(access: Access | None) -> str:
    if access is None or access.without is None or access.populated is None:
        return "not measured"
    ratio = f" ({access.ratio:.1f} times)" if access.ratio else ""
    return f"{access.without:.0f} → {access.populated:.0f}{ratio}"
