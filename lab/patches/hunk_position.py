# SPDX-License-Identifier: GPL-2.0-only
"""Where a hunk's lines are in a file, by the rules of git apply."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unidiff.patch import Hunk

_CANDIDATES = 20
#: Comparisons of lines that take no time worth a thought.
_MANY = 1_000_000
#: Lines of a hunk up to which difflib, whose time grows with their cube, is asked for order.
_ORDERED = 100
#: Places of one line, the nearest, that may vote: what is everywhere says nothing.
_VOTES = 500


@dataclass(frozen=True)
class Image:
    """A hunk as lines without their ends: before, after, and the context around.

    ``expected`` is the index, from 0, that its header names in the file as the
    hunks above it leave it.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    expected: int
    leading: int
    trailing: int
    at_start: bool

    @property
    def at_end(self) -> bool:
        """A hunk without context at its end matches at the file's end only."""
        return self.trailing == 0

    def fuzzy(self, fuzz: int) -> tuple[str, ...]:
        """The lines that patch(1) looks for with this fuzz."""
        first, last = min(fuzz, self.leading), min(fuzz, self.trailing)
        return self.before[first : len(self.before) - last]


def image(hunk: Hunk) -> Image:
    """The lines of a hunk, and where it says they are."""
    kinds = [line.line_type for line in hunk if line.line_type in (" ", "+", "-")]
    return Image(
        before=tuple(line.value.rstrip("\n") for line in hunk.source_lines()),
        after=tuple(line.value.rstrip("\n") for line in hunk.target_lines()),
        expected=max(hunk.target_start - 1, 0),
        leading=_context(kinds),
        trailing=_context(kinds[::-1]),
        # git's apply.c: a hunk for line 1 matches at the file's start only.
        at_start=hunk.source_start <= 1,
    )


def _context(kinds: Sequence[str]) -> int:
    return next((index for index, kind in enumerate(kinds) if kind != " "), len(kinds))


def occurrences(
    lines: Sequence[str], wanted: Sequence[str], key: Callable[[str], str] = str
) -> list[int]:
    """Every index at which ``wanted`` stands in ``lines``, compared by ``key``."""
    if not wanted:
        return []
    have, want = [key(line) for line in lines], [key(line) for line in wanted]
    size = len(want)
    begins = [at for at, line in enumerate(have) if line == want[0]]
    if len(begins) * size > _MANY:
        return _knuth_morris_pratt(have, want)
    return [at for at in begins if have[at : at + size] == want]


def _knuth_morris_pratt(have: Sequence[str], want: Sequence[str]) -> list[int]:
    """The same, in a time that grows with both and not with their product."""
    borders, found, matched = _borders(want), [], 0
    for at, line in enumerate(have):
        while matched and (matched == len(want) or want[matched] != line):
            matched = borders[matched - 1]
        matched += want[matched] == line
        if matched == len(want):
            found.append(at - matched + 1)
    return found


def _borders(want: Sequence[str]) -> list[int]:
    """How much of the beginning of ``want`` each part that begins there ends with."""
    borders, matched = [0], 0
    for line in want[1:]:
        while matched and want[matched] != line:
            matched = borders[matched - 1]
        matched += want[matched] == line
        borders.append(matched)
    return borders


def positions(lines: Sequence[str], hunk: Image) -> list[int]:
    """The indices at which git apply takes the hunk."""
    if not hunk.before:
        return [0] if not lines else []
    found = occurrences(lines, hunk.before)
    if hunk.at_start:
        found = [at for at in found if at == 0]
    if hunk.at_end:
        found = [at for at in found if at + len(hunk.before) == len(lines)]
    return found


def nearest(found: Sequence[int], expected: int) -> int | None:
    """The one of ``found`` that is nearest to ``expected``."""
    return min(found, key=lambda at: abs(at - expected), default=None)


def closest(lines: Sequence[str], wanted: Sequence[str], expected: int) -> int:
    """The index at which ``lines`` are most like ``wanted``."""
    matcher = difflib.SequenceMatcher(autojunk=False, b=[line.strip() for line in wanted])
    likeness = matcher.ratio if len(wanted) <= _ORDERED else matcher.quick_ratio
    best, best_score = min(expected, max(len(lines) - 1, 0)), (0.0, 0)
    for at in _candidates(lines, wanted, expected):
        matcher.set_seq1([line.strip() for line in lines[at : at + len(wanted)]])
        score = (likeness(), -abs(at - expected))
        if score > best_score:
            best, best_score = at, score
    return best


def _candidates(lines: Sequence[str], wanted: Sequence[str], expected: int) -> list[int]:
    # Each line that both have votes for where the hunk would begin; long lines say
    # more than a brace does.
    index: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        index.setdefault(line.strip(), []).append(at)
    votes: Counter[int] = Counter()
    shared = [(offset, line.strip()) for offset, line in enumerate(wanted) if line.strip() in index]
    rare = [(offset, line) for offset, line in shared if len(index[line]) <= _VOTES]
    for offset, line in rare or shared:
        for at in _around(index[line], expected + offset):
            votes[max(at - offset, 0)] += len(line)
    ranked = sorted(votes, key=lambda at: (-votes[at], abs(at - expected)))
    return ranked[:_CANDIDATES]


def _around(places: Sequence[int], expected: int) -> Sequence[int]:
    """Those of ``places``, which are sorted, that are nearest to ``expected``."""
    at = bisect_left(places, expected)
    return places[max(at - _VOTES // 2, 0) : at + _VOTES // 2]
