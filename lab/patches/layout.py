# SPDX-License-Identifier: GPL-2.0-only
"""What a damaged hunk may have been, line by line: those it has, and the blank ones it lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from lab.patches.alignment import Added, Alignment, Part, Removed
from lab.patches.damaged import DamagedHunk

#: Added lines that are missing from a hunk; all of them are taken to have been blank.
_MOST_BLANK = 8
#: Layouts of a hunk, the cheapest.
_MOST = 2_000


@dataclass(frozen=True)
class Layout:
    """One reading of a hunk; ``blanks`` are the parts before which a blank line is added."""

    hunk: DamagedHunk
    alignment: Alignment
    blanks: tuple[int, ...]
    cost: float

    @property
    def at(self) -> int:
        """The index of its first line in the file."""
        return next(part.at for part in self.alignment.parts if not isinstance(part, Added))


def layouts(hunk: DamagedHunk, found: Sequence[Alignment]) -> list[Layout]:
    """The layouts that these alignments allow, the likeliest first."""
    ways = [
        Layout(hunk, alignment, blanks, alignment.cost + cost)
        for alignment in found
        if alignment.blank <= _MOST_BLANK
        for cost, blanks in _placings(alignment)
    ]
    return sorted(ways, key=lambda layout: layout.cost)[:_MOST]


def _placings(alignment: Alignment) -> list[tuple[float, tuple[int, ...]]]:
    """Where the blank lines that the text lost may have been, the likeliest first."""
    if not alignment.blank:
        return [(0.0, ())]
    parts = alignment.parts
    costs = sorted(
        (_blank_cost(parts, at), at)
        for at in range(len(parts) + 1)
        if any(isinstance(part, Added) for part in parts[max(at - 1, 0) : at + 1])
        or (0 < at < len(parts) and isinstance(parts[at - 1], Removed))
    )
    room = {1: 60, 2: 40, 3: 16}.get(alignment.blank, alignment.blank + 4)
    ways = [
        (sum(cost for cost, _ in chosen), tuple(sorted(at for _, at in chosen)))
        for chosen in combinations(costs[:room], alignment.blank)
    ]
    return sorted(ways)[:_MOST]


def _blank_cost(parts: Sequence[Part], at: int) -> float:
    above, below = (_text(parts[at - 1]) if at else "", _text(parts[at]) if at < len(parts) else "")
    if above.endswith((",", "(", "&&", "||", "{", "*", "\\")) or below.startswith(("}", "*", ")")):
        return 4.0
    if above.startswith("*") and not above.endswith("*/"):
        return 4.0
    if above.endswith(("}", ";")):
        return 0.5 if below.startswith(("return", "if", "/*", "for", "while")) else 1.0
    return 2.0


def _text(part: Part) -> str:
    return part.given[-1].text.strip() if part.given else ""
