# SPDX-License-Identifier: GPL-2.0-only
"""Where in many lines a text stands, for who asks as often as there are results."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain, islice

_WORD = re.compile(r"\w+")
#: Words that are whole in any line that has the text they are of.
_INNER = re.compile(r"(?<=\W)\w+(?=\W)")
_LAST = re.compile(r"(?<=\W)\w+$")
#: As long as that many looks at all lines take, so long does it take to sort their words.
_MOST_LOOKS = 16
_MOST_PREFIXED = 100


class Search:
    """Finds the first line that has a text; after some questions by the rarest of its words."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._known: dict[str, int | None] = {}

    def first(self, text: str) -> int | None:
        """The place of the first line that has this text in it; None for none, and for ""."""
        if text not in self._known:
            found = (place for place in self._candidates(text) if text in self._lines[place])
            self._known[text] = next(found, None) if text else None
        return self._known[text]

    def _candidates(self, text: str) -> Iterable[int]:
        """The places, in order, of all lines that can have it."""
        every = range(len(self._lines))
        if len(self._known) < _MOST_LOOKS:
            return every
        inner = [self._words.get(word, ()) for word in _INNER.findall(text)]
        last = [self._beginning(word) for word in _LAST.findall(text)]
        return min((every, *inner, *last), key=len)

    def _beginning(self, word: str) -> Sequence[int]:
        """The places of the lines with words that begin so: a text may end within one."""
        start = bisect_left(self._sorted, word)
        words = list(islice(self._sorted, start, start + _MOST_PREFIXED))
        if len(words) == _MOST_PREFIXED and words[-1].startswith(word):
            return range(len(self._lines))
        mine = (self._words[found] for found in words if found.startswith(word))
        return sorted(set(chain.from_iterable(mine)))

    @cached_property
    def _words(self) -> dict[str, list[int]]:
        words: dict[str, list[int]] = {}
        for place, line in enumerate(self._lines):
            for word in set(_WORD.findall(line)):
                words.setdefault(word, []).append(place)
        return words

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._words)
