# SPDX-License-Identifier: GPL-2.0-only
"""Points in a row: each is in the history of those behind it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.bisect.point import Point
from lab.bisect.search import Candidate


@dataclass(frozen=True)
class Line:
    """An Order of points, the oldest first: patches, revisions, releases."""

    points: tuple[Point, ...]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {point.key: place for place, point in enumerate(self.points)}

    def candidates(self, old: Collection[str], new: str) -> Sequence[Candidate]:
        """Those behind the last of ``old``, up to ``new``."""
        begin = max((self._places[key] for key in old), default=-1) + 1
        keys = [point.key for point in self.points[begin : self._places[new] + 1]]
        count = len(keys)
        return [Candidate(key, min(n, count - n)) for n, key in enumerate(keys, start=1)]

    def parents(self, key: str) -> Sequence[str]:
        """The one before it; none of the first."""
        place = self._places[key]
        return [self.points[place - 1].key] if place else []

    def point(self, key: str) -> Point:
        """A point by its key."""
        return self.points[self._places[key]]
