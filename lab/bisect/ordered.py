# SPDX-License-Identifier: GPL-2.0-only
"""The search of an order: each answer leaves about half of the candidates.

What cannot be tested lies together as a rule, since what broke it stays for a while.  So the next
to try is well away from what was skipped: an answer on either side of such a region rules it out
as a whole, and one within is asked for only when there is nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lab.bisect.point import Point
from lab.bisect.search import Candidate, Found, Order, Undecided
from lab.bisect.told import Side, Told

#: A region is taken for one that cannot be tested as a whole, in which no stretch of more than
#: so small a part of the candidates was left untried.
_UNTRIED = 8
#: Of so few candidates each is tried.
_FEW = 32


@dataclass(frozen=True)
class OrderedSearch:
    """A Search for the first point on the new side, in the history of ``new`` and not ``old``'s."""

    order: Order
    old: tuple[str, ...]
    new: str

    def next(self, told: Sequence[Told], sure: Side = Side.NEW) -> Point | Found | Undecided:
        """See Search."""
        ends = self._ends(told, sure)
        candidates = self.order.candidates(ends.old, ends.new)
        if len(candidates) == 1:
            return Found(self.order.point(ends.new))
        skipped = {key for key, side in _last(told).items() if side is Side.SKIP}
        chosen = _choose(candidates, skipped)
        if chosen is None:
            return Undecided(tuple(self.order.point(one.key) for one in candidates))
        return self.order.point(chosen)

    def left(self, told: Sequence[Told], sure: Side = Side.NEW) -> int:
        """See Search."""
        ends = self._ends(told, sure)
        return len(self.order.candidates(ends.old, ends.new))

    def before(self, point: Point) -> Sequence[Point]:
        """See Search."""
        return [self.order.point(key) for key in self.order.parents(point.key)]

    def behind(
        self, told: Sequence[Told], keys: Collection[str], sure: Side = Side.NEW
    ) -> Collection[str]:
        """See Search."""
        ends = self._ends(told, sure)
        if sure is Side.OLD:
            # What was mended fails before, too.
            return frozenset(keys) - self._between(ends.old, self.new)
        others = frozenset(keys) - self._between(self.old, ends.new) - frozenset(self.old)
        return [key for key in others if not self._between((key,), ends.new)]

    def doubts(
        self, told: Sequence[Told], found: Point, sure: Side = Side.NEW
    ) -> Sequence[Collection[str]]:
        """See Search."""
        if sure is Side.OLD:
            return self._later(told, found)
        keys = self._between(self.old, found.key)
        passed = [key for key, side in _last(told).items() if side is Side.OLD]
        ends = {old: keys - self._between((*self.old, old), found.key) for old in passed}
        return [
            frozenset(old for old, history in ends.items() if key in history)
            for key in sorted(keys - {found.key})
        ]

    def _later(self, told: Sequence[Told], found: Point) -> Sequence[Collection[str]]:
        """As doubts(), where it failed before: what passed without the change did so by chance."""
        keys = self._between((*self.old, found.key), self.new)
        passed = [key for key, side in _last(told).items() if side is Side.NEW]
        without = {new: self._between((*self.old, new), self.new) for new in passed}
        return [
            frozenset(new for new, away in without.items() if key in away) for key in sorted(keys)
        ]

    def _ends(self, told: Sequence[Told], sure: Side) -> _Ends:
        """Between what the change still is.

        A pass proves less than a failure does.  One that a failure contradicts was told by
        chance: of two such, what is told on the sure side holds.
        """
        last = _last(told)
        on = {side: [key for key, one in last.items() if one is side] for side in Side}
        if sure is Side.NEW:
            new = self._narrowed(self.old, self.new, on[Side.NEW])
            olds = (*self.old, *on[Side.OLD])
            if not self.order.candidates(olds, new):
                olds = (*self.old, *(key for key in on[Side.OLD] if self._between((key,), new)))
            return _Ends(olds, new)
        olds = (*self.old, *on[Side.OLD])
        return _Ends(olds, self._narrowed(olds, self.new, on[Side.NEW]))

    def _narrowed(self, old: tuple[str, ...], new: str, told: Sequence[str]) -> str:
        """The new end after each that was told to be new and lies between."""
        for key in told:
            if key in self._between(old, new):
                new = key
        return new

    def _between(self, old: tuple[str, ...], new: str) -> frozenset[str]:
        return frozenset(one.key for one in self.order.candidates(old, new))


@dataclass(frozen=True)
class _Ends:
    old: tuple[str, ...]
    new: str


def _last(told: Sequence[Told]) -> dict[str, Side]:
    return {one.point.key: one.side for one in told}


def _choose(candidates: Sequence[Candidate], skipped: Collection[str]) -> str | None:
    """The one to try next; None when nothing is left that could be tested."""
    gaps = list(_gaps(candidates, skipped))
    longest = max((gap.end - gap.begin for gap in gaps), default=0)
    count = len(candidates)
    enough = count // _UNTRIED if count > _FEW else 0
    if all(gap.within for gap in gaps) and longest <= enough:
        return None
    # Nothing lies between these that could be tested, so far as was tried.
    doubt = 2.0 ** sum(one.key in skipped for one in candidates)
    scores = (
        (candidates[place].splits * gap.chance(place, count * doubt), -place)
        for gap in gaps
        for place in range(gap.begin, gap.end)
    )
    _, negative = max(scores)
    return candidates[-negative].key


@dataclass(frozen=True)
class _Gap:
    """Candidates that were not tried, from ``begin`` up to ``end``, and what is at its sides."""

    begin: int
    end: int
    after_skipped: bool
    before_skipped: bool

    @property
    def within(self) -> bool:
        """Whether it is within a region that cannot be tested, as it seems."""
        return self.after_skipped and self.before_skipped

    def chance(self, place: int, doubt: float) -> float:
        """How likely one can be tested, on a scale of its own: the nearer to a skipped one the
        less, and least between two."""
        below, above = place - self.begin + 1, self.end - place
        width = self.end - self.begin + 1
        if self.within:
            return min(below, above) / doubt
        if self.after_skipped:
            return below / width
        return above / width if self.before_skipped else 1.0


def _gaps(candidates: Sequence[Candidate], skipped: Collection[str]) -> Iterator[_Gap]:
    """The stretches that were not tried; the newest candidate was."""
    begin, after = 0, False
    last = len(candidates) - 1
    for place, one in enumerate(candidates):
        at_end = place == last
        if not at_end and one.key not in skipped:
            continue
        if place > begin:
            yield _Gap(begin, place, after, not at_end)
        begin, after = place + 1, True
