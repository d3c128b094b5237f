# SPDX-License-Identifier: GPL-2.0-only
"""What a series changed in one file, by lines of what it made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

#: Lines of context, as git's diffs have them: changes that are nearer are one hunk.
_CONTEXT = 3


@dataclass(frozen=True)
class Hunk:
    """Lines of the patched file, and what stood there before: rows from 0, ends exclusive."""

    start: int
    end: int
    base: tuple[bytes, ...]


@dataclass(frozen=True)
class Change:
    """A file without the series and with it; without it, it may not have been there."""

    base: bytes
    patched: bytes

    @property
    def rows(self) -> frozenset[int]:
        """The rows, from 0, that the series added or changed."""
        added = (row for tag, _, _, low, high in self._codes for row in range(low, high))
        return frozenset(added)

    @property
    def hunks(self) -> tuple[Hunk, ...]:
        """What can be left out alone."""
        return tuple(self._hunks())

    def without(self, hunk: Hunk) -> bytes:
        """The patched file, without one hunk."""
        return b"".join((*self._new[: hunk.start], *hunk.base, *self._new[hunk.end :]))

    def _hunks(self) -> Iterator[Hunk]:
        groups: list[list[tuple[str, int, int, int, int]]] = []
        for code in self._codes:
            if groups and code[3] - groups[-1][-1][4] <= 2 * _CONTEXT:
                groups[-1].append(code)
            else:
                groups.append([code])
        for group in groups:
            first, last = group[0], group[-1]
            yield Hunk(first[3], last[4], self._old[first[1] : last[2]])

    @cached_property
    def _old(self) -> tuple[bytes, ...]:
        return tuple(self.base.splitlines(keepends=True))

    @cached_property
    def _new(self) -> tuple[bytes, ...]:
        return tuple(self.patched.splitlines(keepends=True))

    @cached_property
    def _codes(self) -> list[tuple[str, int, int, int, int]]:
        """(what, rows of the base, rows of the patched file), without what is equal."""
        matcher = SequenceMatcher(None, self._old, self._new, autojunk=False)
        return [code for code in matcher.get_opcodes() if code[0] != "equal"]
