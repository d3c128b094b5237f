# SPDX-License-Identifier: GPL-2.0-only
"""Which point to try next: a pure function of what was told so far."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.bisect.point import Point
from lab.bisect.told import Side, Told


@dataclass(frozen=True)
class Found:
    """The change: the first point on the new side."""

    point: Point


@dataclass(frozen=True)
class Undecided:
    """The change is one of these, and which cannot be told; the oldest first."""

    points: tuple[Point, ...]


class Search(Protocol):
    """How the points between two ends are searched."""

    def next(self, told: Sequence[Told], sure: Side = Side.NEW) -> Point | Found | Undecided:
        """What to try next, or what it came to.

        Args:
            told: All that was told, in the order told.  The same gives the same, in this process
                and in the one that goes on after a kill.
            sure: The side of which nothing is told by chance: where it fails.
        """

    def left(self, told: Sequence[Told], sure: Side = Side.NEW) -> int:
        """How many can still be the change."""

    def before(self, point: Point) -> Sequence[Point]:
        """What has to be on the old side if a point is the change: its parents."""

    def behind(
        self, told: Sequence[Told], keys: Collection[str], sure: Side = Side.NEW
    ) -> Collection[str]:
        """Which of some have what fails in their history, and passed by chance if they did."""

    def doubts(
        self, told: Sequence[Told], found: Point, sure: Side = Side.NEW
    ) -> Sequence[Collection[str]]:
        """What else could be the change, if what was told to be on the other side is not.

        Returns:
            For each other point, the keys of those that would have been told so by chance.
        """


@dataclass(frozen=True)
class Candidate:
    """A point that can be the change.

    Args:
        splits: How many candidates its answer rules out, whichever it is: the smaller of those
            in its history, it included, and those that are not; 0 for the newest.  It is what
            ``git rev-list --bisect-all`` calls ``dist``.
    """

    key: str
    splits: int


class Order(Protocol):
    """Points of which some are in the history of others: a line, or a graph with merges."""

    def candidates(self, old: Collection[str], new: str) -> Sequence[Candidate]:
        """The points in the history of ``new``, it included, that are in none of ``old``'s.

        None comes before one of its history, so that ``new`` is the last; what is near in the
        history is near here.  Nothing when ``new`` is in the history of one of ``old``.
        """

    def parents(self, key: str) -> Sequence[str]:
        """The points right before one."""

    def point(self, key: str) -> Point:
        """A point by its key."""
