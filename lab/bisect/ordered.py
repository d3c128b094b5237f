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

    def next(self, told: Sequence[Told]) -> Point | Found | Undecided:
        """See Search."""
        ends = self._ends(told)
        candidates = self.order.candidates(ends.old, ends.new)
        if len(candidates) == 1:
            return Found(self.order.point(ends.new))
        skipped = {key for key, side in _last(told).items() if side is Side.SKIP}
        chosen = _choose(candidates, skipped)
        if chosen is None:
            return Undecided(tuple(self.order.point(one.key) for one in candidates))
        return self.order.point(chosen)

    def before(self, point: Point) -> Sequence[Point]:
        """See Search."""
        return [self.order.point(key) for key in self.order.parents(point.key)]

    def doubts(self, told: Sequence[Told], found: Point) -> Sequence[Collection[str]]:
        """See Search."""
        keys = [one.key for one in self.order.candidates(self.old, found.key)]
        covers = {key: self._history(key, found) for key in self._ends(told).old}
        return [
            frozenset(old for old, history in covers.items() if key in history)
            for key in keys
            if key != found.key
        ]

    def _history(self, old: str, found: Point) -> frozenset[str]:
        """The candidates that are in the history of one told to be old."""
        keys = {one.key for one in self.order.candidates(self.old, found.key)}
        away = {one.key for one in self.order.candidates((*self.old, old), found.key)}
        return frozenset(keys - away)

    def _ends(self, told: Sequence[Told]) -> _Ends:
        """Between what the change still is: the newest known old ones, the oldest known new one."""
        ends = _Ends(self.old, self.new)
        for one in told:
            ends = self._narrowed(ends, one)
        return ends

    def _narrowed(self, ends: _Ends, one: Told) -> _Ends:
        key = one.point.key
        if one.side is Side.SKIP or key in (ends.new, *self.old):
            return ends
        if one.side is Side.OLD:
            between = self._is_between(ends, key)
            return _Ends((*ends.old, key), ends.new) if between else ends
        if self._is_between(ends, key):
            return _Ends(ends.old, key)
        # A pass proves less than a failure does: what is told to be old and has this in its
        # history was told so by chance.
        kept = tuple(old for old in ends.old if old in self.old or not self._has(old, key))
        return _Ends(kept, key) if self._is_between(_Ends(kept, ends.new), key) else ends

    def _has(self, old: str, key: str) -> bool:
        return not self.order.candidates((old,), key)

    def _is_between(self, ends: _Ends, key: str) -> bool:
        return any(one.key == key for one in self.order.candidates(ends.old, ends.new))


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
