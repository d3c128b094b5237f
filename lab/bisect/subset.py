# SPDX-License-Identifier: GPL-2.0-only
"""The search of a set: which few of its parts make the difference, one or several together.

Delta debugging (A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
IEEE Transactions on Software Engineering 28, 2002): its ``ddmin``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from lab.bisect.point import Point
from lab.bisect.search import Found, Undecided
from lab.bisect.set_words import which
from lab.bisect.told import Side, Told

_Parts = tuple[str, ...]


#: Columns of a step's line for a set's name and which it is; the others are for what it is tried
#: for, and how many are left.
_WIDTH = 52


def spelled(noun: str, parts: Sequence[str], among: Sequence[str]) -> Point:
    """The point that is a set of some parts among all: how many, and which."""
    key = "\n".join(parts)
    if len(parts) == 1:
        return Point(key, parts[0], parts=tuple(parts))
    count = str(len(parts)) if parts else "none"
    name = f"{count} of {len(among)} {noun}s"
    return Point(key, name, which(parts, among, _WIDTH - len(name)), tuple(parts))


class _Wanted(Exception):
    """What a set says is not known yet."""

    def __init__(self, parts: _Parts) -> None:
        super().__init__(parts)
        self.parts = parts


@dataclass(frozen=True)
class SubsetSearch:
    """A Search for the smallest set on the new side that it can find: no part of it can go.

    Args:
        parts: All that differs between the ends: none of it is the old end, all is the new one.
        point: Makes the point that is a set of them.
    """

    parts: _Parts
    point: Callable[[_Parts], Point]

    def next(self, told: Sequence[Told], sure: Side = Side.NEW) -> Point | Found | Undecided:
        """See Search."""
        known = {frozenset(one.point.parts): one.side for one in told}
        try:
            return self._result(_Minimising(known).run(self.parts), known)
        except _Wanted as wanted:
            return self.point(wanted.parts)

    def left(self, told: Sequence[Told], sure: Side = Side.NEW) -> int:
        """See Search: the parts of the smallest set that has it."""
        sizes = (len(one.point.parts) for one in told if one.side is Side.NEW)
        return min(sizes, default=len(self.parts))

    def before(self, point: Point) -> Sequence[Point]:
        """Each set with one part less."""
        return [self.point(_without(point.parts, (part,))) for part in point.parts]

    def behind(
        self, told: Sequence[Told], keys: Collection[str], sure: Side = Side.NEW
    ) -> Collection[str]:
        """See Search; what more of it does, a set does not say."""
        return ()

    def doubts(
        self, told: Sequence[Told], found: Point, sure: Side = Side.NEW
    ) -> Sequence[Collection[str]]:
        """See Search; that fewer parts are enough, or that these are not."""
        if sure is Side.OLD:
            return [(found.key,)]
        if len(found.parts) < 2:
            return []
        return [(one.key,) for one in self.before(found)]

    def _result(self, parts: _Parts, known: dict[frozenset[str], Side]) -> Found | Undecided:
        smaller = (known.get(frozenset(_without(parts, (part,)))) for part in parts)
        if len(parts) > 1 and Side.SKIP in smaller:
            return Undecided(tuple(self.point((part,)) for part in parts))
        return Found(self.point(parts))


@dataclass(frozen=True)
class _Minimising:
    known: dict[frozenset[str], Side]

    def run(self, parts: _Parts) -> _Parts:
        pieces = 2
        while len(parts) > 1:
            smaller = self._smaller(parts, pieces)
            if smaller is not None:
                # Of what stays when a piece goes, the other pieces are of the same size.
                is_piece = len(smaller) <= len(parts) // 2
                parts, pieces = smaller, 2 if is_piece else max(pieces - 1, 2)
            elif pieces < len(parts):
                pieces = min(len(parts), pieces * 2)
            else:
                break
        return parts

    def _smaller(self, parts: _Parts, pieces: int) -> _Parts | None:
        """A piece, or all without one, that is on the new side as well."""
        split = list(_split(parts, pieces))
        rest = [_without(parts, piece) for piece in split] if pieces > 2 else []
        return next((some for some in (*split, *rest) if self._side(some) is Side.NEW), None)

    def _side(self, parts: _Parts) -> Side:
        side = self.known.get(frozenset(parts))
        if side is None:
            raise _Wanted(parts)
        return side


def _split(parts: _Parts, pieces: int) -> Iterator[_Parts]:
    begin = 0
    for number in range(1, pieces + 1):
        end = len(parts) * number // pieces
        yield parts[begin:end]
        begin = end


def _without(parts: _Parts, gone: Collection[str]) -> _Parts:
    return tuple(part for part in parts if part not in gone)
