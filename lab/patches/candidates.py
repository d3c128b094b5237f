# SPDX-License-Identifier: GPL-2.0-only
"""What a file may be after a damaged patch, the likeliest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath

from lab.patches.added_line import Option, Style, options, style_of
from lab.patches.alignment import Added, Kept, Removed
from lab.patches.layout import Layout

#: Candidates that wait to be tried; what comes later is too unlikely.
_MOST_WAITING = 200_000
_C = frozenset({".c", ".h", ".S"})
_BLANK = Added(())


class Source:
    """The file as it was, in lines without their ends."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.lines = content.decode(errors="surrogateescape").split("\n")
        #: Whether its last line has no end.
        self.open = self.lines[-1] != ""
        if not self.open:
            self.lines.pop()
        self.c = PurePosixPath(name).suffix in _C


@dataclass(frozen=True)
class Line:
    """A line of a rebuilt hunk: its sign, its text, what it is, and what was guessed of it."""

    sign: str
    text: str
    part: Kept | Removed | Added
    said: str = ""


@dataclass(frozen=True)
class Candidate:
    """A file after the patch: its content, and the lines of each hunk."""

    content: bytes
    layouts: tuple[Layout, ...]
    hunks: tuple[tuple[Line, ...], ...]


# A candidate that waits: its cost, a serial number (so that no more is compared), which
# layout each hunk has, the option of each added line that has not its first one, and
# the added line from which on it may be varied: so that each comes once.
_Picks = tuple[tuple[int, int], ...]
_Waiting = tuple[float, int, tuple[int, ...], _Picks, int]


def candidates(source: Source, ways: Sequence[Sequence[Layout]]) -> Iterator[Candidate]:
    """What the file may be after the patch; ``ways`` are the layouts of each hunk."""
    queue = _Queue()
    queue.push(sum(hunk[0].cost for hunk in ways), tuple(0 for _ in ways), (), 0)
    while queue.waiting:
        cost, _, which, picks, changed = heapq.heappop(queue.waiting)
        chosen = tuple(hunk[index] for hunk, index in zip(ways, which, strict=True))
        writer = _Writer(source, dict(picks))
        yield writer.write(chosen)
        for more, at in writer.next_options(changed):
            moved = {**dict(picks), at: writer.picks.get(at, 0) + 1}
            queue.push(cost + more, which, tuple(moved.items()), at)
        if not picks:
            for more, moved_layouts in _next_layouts(ways, which):
                queue.push(cost + more, moved_layouts, (), 0)


class _Queue:
    def __init__(self) -> None:
        self.waiting: list[_Waiting] = []
        self._serial = count()

    def push(self, cost: float, which: tuple[int, ...], picks: _Picks, changed: int) -> None:
        if len(self.waiting) < _MOST_WAITING:
            heapq.heappush(self.waiting, (cost, next(self._serial), which, picks, changed))


def _next_layouts(
    ways: Sequence[Sequence[Layout]], which: tuple[int, ...]
) -> Iterator[tuple[float, tuple[int, ...]]]:
    last = max((at for at, index in enumerate(which) if index), default=0)
    for at in range(last, len(which)):
        index = which[at] + 1
        if index < len(ways[at]):
            more = ways[at][index].cost - ways[at][index - 1].cost
            yield more, (*which[:at], index, *which[at + 1 :])


class _Writer:
    """Writes the file, line by line: what a line may be depends on those above it."""

    def __init__(self, source: Source, picks: dict[int, int]) -> None:
        self.source = source
        self.picks = picks
        self.made: list[str] = []
        self.costs: list[list[float]] = []

    def write(self, chosen: Sequence[Layout]) -> Candidate:
        """The file with these layouts."""
        hunks, done, lines = [], 0, self.source.lines
        for layout in chosen:
            self.made += lines[done : layout.at]
            hunks.append(tuple(self._hunk(layout)))
            done = layout.at + layout.hunk.before
        self.made += lines[done:]
        text = "\n".join(self.made) + ("" if self.source.open or not self.made else "\n")
        return Candidate(text.encode(errors="surrogateescape"), tuple(chosen), tuple(hunks))

    def _hunk(self, layout: Layout) -> Iterator[Line]:
        style = style_of(layout, self.source.lines, c=self.source.c)
        below = self._below(layout)
        parts = layout.alignment.parts
        for at in range(len(parts) + 1):
            if at in layout.blanks:
                self.made.append("")
                yield Line("+", "", _BLANK)
            if at < len(parts):
                yield self._line(parts[at], style, below[at])

    def _below(self, layout: Layout) -> list[str | None]:
        """For each part, the next line below it that stays."""
        found: list[str | None] = []
        last = None
        for part in reversed(layout.alignment.parts):
            found.append(last)
            if isinstance(part, Kept) and self.source.lines[part.at].strip():
                last = self.source.lines[part.at]
        return found[::-1]

    def _line(self, part: Kept | Removed | Added, style: Style, below: str | None) -> Line:
        if isinstance(part, Removed):
            return Line("-", self.source.lines[part.at], part)
        if isinstance(part, Kept):
            self.made.append(self.source.lines[part.at])
            return Line(" ", self.made[-1], part)
        option = self._picked(options(part, style, self.made, below))
        self.made.append(option.text)
        return Line("+", option.text, part, option.said)

    def _picked(self, found: Sequence[Option]) -> Option:
        pick = self.picks.get(len(self.costs), 0)
        self.costs.append([option.cost for option in found])
        # An option of a line above may have left this one with fewer.
        return found[min(pick, len(found) - 1)]

    def next_options(self, start: int) -> Iterator[tuple[float, int]]:
        """For the added lines from ``start`` on: what their next option costs more."""
        for at in range(start, len(self.costs)):
            pick = self.picks.get(at, 0) + 1
            if pick < len(self.costs[at]):
                yield self.costs[at][pick] - self.costs[at][pick - 1], at
