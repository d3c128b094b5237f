# SPDX-License-Identifier: GPL-2.0-only
"""Variants in a row: the revisions of a series, or the releases of a kernel."""

from __future__ import annotations

from dataclasses import dataclass

from lab.bisect.line import Line
from lab.bisect.ordered import OrderedSearch
from lab.bisect.point import Point
from lab.bisect.subjects.setup import Setup
from lab.model.variant import Variant
from lab.session import Lab


@dataclass(frozen=True)
class Variants:
    """A Subject of variants, each a point by its own name, the old end first and the new last.

    Args:
        titles: Of each: what it is, in a line.
    """

    lab: Lab
    noun: str
    name: str
    variants: tuple[Variant, ...]
    titles: tuple[str, ...]

    @property
    def line(self) -> Line:
        """See Order."""
        rows = zip(self.variants, self.titles, strict=True)
        return Line(tuple(Point(str(one), str(one), title) for one, title in rows))

    @property
    def old(self) -> tuple[Point, ...]:
        """See Subject."""
        return (self.line.points[0],)

    @property
    def new(self) -> Point:
        """See Subject."""
        return self.line.points[-1]

    @property
    def search(self) -> OrderedSearch:
        """See Subject."""
        return OrderedSearch(self.line, (self.old[0].key,), self.new.key)

    def reverted(self, point: Point) -> Point | None:
        """See Subject; what one of them brought is no change of its own."""
        return None

    def setup(self, point: Point) -> Setup:
        """See Buildable."""
        return Setup(self.lab.builder, Variant.parse(point.key))
