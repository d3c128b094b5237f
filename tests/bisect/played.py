# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are played: points in a row or a graph, and who says which are on which side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from lab.bisect.line import Line
from lab.bisect.point import Point
from lab.bisect.search import Candidate, Found, Search, Undecided
from lab.bisect.told import Side, Told

#: More steps than any search here needs.
_MOST = 300


def row(count: int) -> Line:
    """Points 0 to ``count``: the first is the old end."""
    return Line(tuple(Point(str(n), f"commit {n}") for n in range(count + 1)))


@dataclass(frozen=True)
class Graph:
    """An Order of a history with merges: each point's parents, the oldest point first."""

    parents_of: Mapping[str, Sequence[str]]

    def candidates(self, old: Collection[str], new: str) -> Sequence[Candidate]:
        away = {key for one in old for key in self.history(one)}
        keys = [key for key in self.parents_of if key in self.history(new) - away]
        reach = {key: len(self.history(key) - away) for key in keys}
        return [Candidate(key, min(reach[key], len(keys) - reach[key])) for key in keys]

    def parents(self, key: str) -> Sequence[str]:
        return self.parents_of[key]

    def point(self, key: str) -> Point:
        return Point(key, key)

    def history(self, key: str) -> frozenset[str]:
        found, open_ = set(), [key]
        while open_:
            one = open_.pop()
            if one not in found:
                found.add(one)
                open_ += self.parents_of[one]
        return frozenset(found)


def played(
    search: Search, side_of: Callable[[Point], Side]
) -> tuple[Found | Undecided, list[Told]]:
    """What a search comes to, and its steps."""
    told: list[Told] = []
    for _ in range(_MOST):
        step = search.next(told)
        if isinstance(step, Found | Undecided):
            return step, told
        assert step not in [one.point for one in told], f"{step} is asked for twice"
        told.append(Told(step, side_of(step)))
    raise AssertionError(f"no end after {_MOST} steps")
