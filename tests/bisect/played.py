# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are played: points in a row or a graph, and who says which are on which side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from lab.bisect.ends import GOOD_BAD
from lab.bisect.line import Line
from lab.bisect.log import Begun
from lab.bisect.ordered import OrderedSearch
from lab.bisect.point import Point
from lab.bisect.question import Question
from lab.bisect.search import Candidate, Found, Search, Undecided
from lab.bisect.subject import Subject
from lab.bisect.told import Seen, Side, Sight, Told, Trial

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


@dataclass
class PlayedSubject:
    """Points in an order, or a set, between two ends."""

    search: Search
    old: tuple[Point, ...]
    new: Point
    without: Callable[[Point], Point | None] = lambda _: None
    noun: str = "commit"
    name: str = "commits that are played"

    def reverted(self, point: Point) -> Point | None:
        return self.without(point)


def subject_of(count: int, without: Callable[[Point], Point | None] = lambda _: None) -> Subject:
    """A row of so many points behind the old end."""
    line = row(count)
    search = OrderedSearch(line, ("0",), str(count))
    return PlayedSubject(search, (line.points[0],), line.points[-1], without)


PASSES = Seen(Sight.PASSES)
FAILS = Seen(Sight.FAILS, "mmap: fail: 3 of 4 pages are not present", ("mmap: fail: N of N pages",))
OTHERWISE = Seen(Sight.FAILS, "oops: BUG in foo", ("oops: BUG in foo",))
NOT_BUILT = Seen(Sight.UNTESTABLE, "mm/gup.c:12: error: expected ';'")
OURS = Seen(Sight.OURS, "no space left on device")


def fails_from(first: int) -> Callable[[Point, int], Seen]:
    """What a row of kernels shows of which all from one on fail."""
    return lambda point, _: FAILS if int(point.key) >= first else PASSES


def now_and_then(
    shown: Callable[[Point, int], Seen], rate: float, seed: int
) -> Callable[[Point, int], Seen]:
    """The same, where what fails does so in a share of its trials alone."""
    dice = Random(seed)

    def show(point: Point, number: int) -> Seen:
        seen = shown(point, number)
        return seen if seen.sight is not Sight.FAILS or dice.random() < rate else PASSES

    return show


@dataclass
class PlayedTrier:
    """Shows what a function says of a point, and of the number of the trial, from 0.

    Attributes:
        tried: The points of all trials, in order.
        asked: Of each try, how often it was to be tried.
        prepared: What was to be built ahead of each try.
    """

    show: Callable[[Point, int], Seen]
    tried: list[Point] = field(default_factory=list)
    asked: list[tuple[Point, int]] = field(default_factory=list)
    prepared: list[tuple[str, ...]] = field(default_factory=list)

    def try_(self, point: Point, times: int) -> Generator[Trial, None, None]:
        self.asked.append((point, times))
        for _ in range(times):
            seen = self.show(point, len(self.tried))
            self.tried.append(point)
            yield Trial(seen, f"{point.key}-{len(self.tried)}", 2.0, 1.0)
            # As a job that ends with its first failure.
            if seen.sight is not Sight.PASSES:
                return

    def prepare(self, points: Sequence[Point]) -> None:
        self.prepared.append(tuple(point.key for point in points))


def begun(
    subject: Subject, question: Question, words: tuple[str, str] = GOOD_BAD, sure: float = 0.99
) -> Begun:
    """The first line of a log."""
    ends = subject.old, subject.new
    return Begun(question.name, subject.name, words, *ends, sure, "", noun=subject.noun)
