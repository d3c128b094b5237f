# SPDX-License-Identifier: GPL-2.0-only
"""Which functions and data of a file are other words, told from its two texts alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lab.coverage.code_lines import Function, read_source
from lab.coverage.diff_lines import pairs_of

_WORD = re.compile(r"[A-Za-z_]\w*")
#: What begins a function or a table of an assembler's (include/linux/linkage.h), or a label.
_START = re.compile(r"^\s*(?:SYM_\w+|ENTRY|WEAK|GLOBAL)\s*\(|^[A-Za-z_]\w*:")
#: What ends that which stands before a function's head.
_BEFORE = re.compile(r"^\s*$|[;}]\s*$|^#|\*/\s*$")


def rewritten(old: Sequence[str], new: Sequence[str], *, assembled: bool = False) -> frozenset[str]:
    """Words of all that is other in a file: names of functions, and all words outside them.

    What is between functions, declarations, macros, types, tables, may be named by any of its
    words.

    Args:
        old, new: The lines of its two texts.
        assembled: They are an assembler's.
    """
    before: set[int] = set()
    after: set[int] = set()
    for hunk in pairs_of(old, new):
        before.update(pair.base for pair in hunk if pair.change == "-" and pair.base)
        after.update(pair.patched for pair in hunk if pair.change == "+" and pair.patched)
    of = _assembled if assembled else _words
    return frozenset((*of(old, before), *of(new, after)))


def _words(text: Sequence[str], numbers: set[int]) -> Iterator[str]:
    left = set(numbers)
    for function in read_source("\n".join(text)).functions:
        first = _head(text, function)
        inside = numbers.intersection(range(first, function.last + 1))
        if inside:
            left -= inside
            # A macro's name is that of no function: it may make one of any of these.
            yield from _WORD.findall(" ".join(text[first - 1 : function.first]))
    for number in left:
        yield from _WORD.findall(text[number - 1])


def _assembled(text: Sequence[str], numbers: set[int]) -> Iterator[str]:
    """The words of some lines, and of what begins above them."""
    for number in numbers:
        line = number
        while line > 1 and not _START.match(text[line - 1]):
            line -= 1
        for each in (line, number):
            yield from _WORD.findall(text[each - 1])


def _head(text: Sequence[str], function: Function) -> int:
    """The line that a function's head begins on."""
    line = function.first
    while line > 1 and not _BEFORE.search(text[line - 2]):
        line -= 1
    return line
