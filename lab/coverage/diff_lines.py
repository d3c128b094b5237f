# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of a file two kernels have not alike, with a few around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

#: As many as diff(1) shows.
_AROUND = 3


class Pair(NamedTuple):
    """A line of a diff: its numbers in the two files, from 1; None where it is not there."""

    change: str
    text: str
    base: int | None
    patched: int | None


def pairs_of(base: Sequence[str], patched: Sequence[str]) -> Iterator[tuple[Pair, ...]]:
    """The lines of each hunk between two files."""
    begin = _alike(base, patched)
    most = min(len(base), len(patched)) - begin
    end = min(_alike(base[::-1], patched[::-1]), most)
    # What both begin and end with is most of a file, and costs the matcher seconds.
    first, last = max(begin - _AROUND, 0), max(end - _AROUND, 0)
    old, new = base[first : len(base) - last], patched[first : len(patched) - last]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_AROUND):
        yield tuple(pair for opcode in group for pair in _pairs(opcode, first, base, patched))


def _alike(one: Sequence[str], two: Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, two, strict=False):
        if left != right:
            break
        count += 1
    return count


def _pairs(
    opcode: tuple[str, int, int, int, int], first: int, base: Sequence[str], patched: Sequence[str]
) -> Iterator[Pair]:
    kind, start, end, new_start, new_end = opcode
    if kind == "equal":
        for number in range(end - start):
            old, new = first + start + number, first + new_start + number
            yield Pair(" ", base[old], old + 1, new + 1)
        return
    for old in range(first + start, first + end):
        yield Pair("-", base[old], old + 1, None)
    for new in range(first + new_start, first + new_end):
        yield Pair("+", patched[new], None, new + 1)
