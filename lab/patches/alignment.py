# SPDX-License-Identifier: GPL-2.0-only
"""Where the lines of a damaged hunk are in a file, whatever their white space."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from lab.patches.damaged import CannotRebuild, DamagedHunk, DamagedLine

#: Alignments of a hunk that are kept, the cheapest.
_KEPT = 12
#: Lines that a mailer can have made of one.
_PIECES = 4
#: Lines of the hunk times places that each may have in the file: a few seconds' work.
_STATES = 30_000
#: Lines by which a line may be off its place, beyond those that are known to be missing.
_SLACK = 3
#: Places that are tried where the file is not the one the patch was made from.
_PLACES = 20
_ADDRESS = re.compile(r"@x{3,}")


@dataclass(frozen=True)
class Kept:
    """A line of the file that stays; ``given`` has none where the text has lost it."""

    at: int
    given: tuple[DamagedLine, ...] = ()


@dataclass(frozen=True)
class Removed:
    """A line of the file that goes."""

    at: int
    given: tuple[DamagedLine, ...] = ()


@dataclass(frozen=True)
class Added:
    """A new line; more than one piece where a mailer wrapped it, none where it was blank."""

    given: tuple[DamagedLine, ...]


Part = Kept | Removed | Added


@dataclass(frozen=True)
class Alignment:
    """A hunk's lines, in order, and how far-fetched this reading of them is.

    ``blank`` is how many added lines are missing, ``dropped`` what is taken for no
    part of the hunk, ``section`` what is taken for the rest of its header's line.
    """

    cost: float
    parts: tuple[Part, ...]
    blank: int
    dropped: tuple[DamagedLine, ...] = ()
    section: tuple[DamagedLine, ...] = ()


@lru_cache(maxsize=100_000)
def squeezed(text: str) -> str:
    """A line without any white space."""
    return "".join(text.split())


def same(given: str, line: str) -> bool:
    """Whether both are one line but for white space and addresses that were blotted out."""
    if "@xxx" not in given:
        return given == line
    pieces = _ADDRESS.split(given)
    if not (line.startswith(pieces[0]) and line.endswith(pieces[-1])):
        return False
    at = 0
    for piece in pieces:
        at = line.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


# A reading of the rest of a hunk: its cost, and its steps as a linked list.
_Step = Kept | Removed | Added | DamagedLine
_Steps = tuple[_Step, "_Steps"] | None
_Reading = tuple[float, int, _Steps]
#: How many lines of the text and of the window are behind, and blank removed ones to come.
_Key = tuple[int, int, int]


class _Table:
    """The cheapest readings of ``lines[i:]`` as ``window[j:]``, by dynamic programming.

    ``gone`` is how many blank lines of the window may be removed ones that the text lost.
    """

    def __init__(self, lines: Sequence[DamagedLine], window: Sequence[str]) -> None:
        self.lines = lines
        self.window = [squeezed(line) for line in window]
        self.keys = [squeezed(given.text) for given in lines]
        self.had = frozenset(self.window)
        self.serial = 0
        #: For each line, how many of those above it the file has.
        self.above = [0, *accumulate(given.sign != "+" for given in lines)]
        missing = len(window) - self.above[-1]
        # Those that may be pieces of a line, or none of the patch.
        loose = sum(self._is_loose(i) for i in range(len(lines)))
        self.low, self.high = loose + _SLACK, max(missing + loose, 0) + _SLACK

    @property
    def states(self) -> int:
        """How much work it is."""
        return (len(self.lines) + 1) * min(self.low + self.high + 1, len(self.window) + 1)

    def _is_loose(self, i: int) -> bool:
        if self.lines[i].sign != " ":
            return False
        key = self.keys[i]
        if not key or key in self.had:
            return not key
        return "@xxx" not in key or not any(same(key, line) for line in self.window)

    def _columns(self, i: int) -> range:
        """The places of the window that line ``i`` may have, from the last to the first."""
        low, high = self.above[i] - self.low, self.above[i] + self.high
        return range(min(high, len(self.window)), max(low, 0) - 1, -1)

    def readings(self, gone: int) -> list[_Reading]:
        """The cheapest readings of all of it, the cheapest first."""
        table: dict[_Key, list[_Reading]] = {}
        for left in range(gone + 1):
            for i in range(len(self.lines), -1, -1):
                for j in self._columns(i):
                    found = list(self._of(table, i, j, left))
                    table[i, j, left] = heapq.nsmallest(_KEPT, found, key=lambda r: r[:2])
        return table.get((0, 0, gone), [])

    def _of(
        self, table: dict[_Key, list[_Reading]], i: int, j: int, left: int
    ) -> Iterator[_Reading]:
        if i == len(self.lines) and j == len(self.window) and left == 0:
            yield (0.0, 0, None)
            return
        for cost, step, key in self._steps(i, j, left):
            for rest, _, steps in table.get(key, ()):
                self.serial += 1
                yield (cost + rest, self.serial, (step, steps))

    def _steps(self, i: int, j: int, left: int) -> Iterator[tuple[float, _Step, _Key]]:
        if i < len(self.lines):
            if self.lines[i].sign == "+":
                yield from self._added(i, j, left)
            else:
                yield from self._taken(i, j, left)
                yield from self._dropped(i, j, left)
        if j < len(self.window):
            yield from self._lost(i, j, left)

    def _added(self, i: int, j: int, left: int) -> Iterator[tuple[float, _Step, _Key]]:
        for size in self._pieces(i):
            yield (size - 1.0, Added(tuple(self.lines[i : i + size])), (i + size, j, left))

    def _taken(self, i: int, j: int, left: int) -> Iterator[tuple[float, _Step, _Key]]:
        if j >= len(self.window):
            return
        kind = Removed if self.lines[i].sign == "-" else Kept
        for size in self._pieces(i):
            if same("".join(self.keys[i : i + size]), self.window[j]):
                given = tuple(self.lines[i : i + size])
                yield (size - 1.0, kind(j, given), (i + size, j + 1, left))

    def _pieces(self, i: int) -> Iterator[int]:
        """How many lines from ``i`` on may have been one: those behind have no sign."""
        yield 1
        for size in range(2, _PIECES + 1):
            end = i + size
            if end > len(self.lines) or self.lines[end - 1].sign != " " or not self.keys[end - 1]:
                return
            yield size

    def _dropped(self, i: int, j: int, left: int) -> Iterator[tuple[float, _Step, _Key]]:
        given = self.lines[i]
        if given.sign != " ":
            return
        if not self.keys[i]:
            yield (0.3, given, (i + 1, j, left))
        elif i == 0 and j == 0:
            yield (1.5, given, (i + 1, j, left))
        elif j == len(self.window) and all(line.sign == " " for line in self.lines[i:]):
            yield (3.0 if i + 1 == len(self.lines) else 0.1, given, (i + 1, j, left))

    def _lost(self, i: int, j: int, left: int) -> Iterator[tuple[float, _Step, _Key]]:
        edge, blank = i in (0, len(self.lines)), not self.window[j]
        yield (0.2 if edge else 0.4 if blank else 1.5, Kept(j), (i, j + 1, left))
        if left and blank and not edge:
            yield (0.8, Removed(j), (i, j + 1, left - 1))


def alignments(hunk: DamagedHunk, lines: Sequence[str], at: int) -> list[Alignment]:
    """How the hunk's lines can be those of the file from the index ``at`` on.

    The cheapest first; none where a line is not there.

    Raises:
        CannotRebuild: There are more ways than anybody would wait for.
    """
    window = lines[at : at + hunk.before]
    if len(window) < hunk.before:
        return []
    table = _Table(hunk.lines, window)
    if table.states > _STATES:
        said = "too many lines of the hunk may be anywhere in the file"
        raise CannotRebuild(said, where=f"line {hunk.number}")
    found: list[Alignment] = []
    for gone in range(min(3, hunk.before) + 1):
        readings = table.readings(gone)
        found += [a for cost, _, steps in readings if (a := _alignment(hunk, cost, steps, at))]
        if found and gone >= 1:
            break
    return sorted(found, key=lambda alignment: alignment.cost)[:_KEPT]


def _alignment(hunk: DamagedHunk, cost: float, steps: _Steps, at: int) -> Alignment | None:
    parts: list[Part] = []
    dropped: list[DamagedLine] = []
    section: list[DamagedLine] = []
    while steps is not None:
        step, steps = steps
        if isinstance(step, Kept | Removed):
            parts.append(type(step)(step.at + at, step.given))
        elif isinstance(step, Added):
            parts.append(step)
        elif isinstance(step, DamagedLine) and step.text.strip():
            (dropped if parts else section).append(step)
    blank = hunk.after - sum(not isinstance(part, Removed) for part in parts)
    if blank < 0:
        return None
    return Alignment(cost + 0.1 * blank, tuple(parts), blank, tuple(dropped), tuple(section))


def places(hunk: DamagedHunk, lines: Sequence[str], expected: int) -> list[int]:
    """The indices at which the hunk may begin, the likeliest first."""
    wanted = {squeezed(given.text) for given in hunk.lines if given.sign != "+"} - {""}
    have = [squeezed(line) in wanted for line in lines]
    last = len(lines) - hunk.before
    count = sum(have[: hunk.before])
    scores = []
    for at in range(last + 1):
        if count:
            scores.append((-count, abs(at - expected), at))
        if at < last:
            count += have[at + hunk.before] - have[at]
    return [at for *_, at in heapq.nsmallest(_PLACES, scores)]
