# SPDX-License-Identifier: GPL-2.0-only
"""One wrong version of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import unified_diff
from enum import StrEnum
from functools import cached_property


class Kind(StrEnum):
    """What was done to the code."""

    HUNK = "hunk left out"
    STATEMENT = "statement removed"
    CONDITION = "condition dropped"
    INVERTED = "condition inverted"
    OPERAND = "operand dropped"
    LOGIC = "&& and || swapped"
    COMPARISON = "comparison changed"
    NEGATION = "negation dropped"
    ERRNO = "errno changed"
    FLAG = "flag replaced"
    BITS = "& and | swapped"
    OFF_BY_ONE = "off by one"


@dataclass(frozen=True)
class Mutant:
    """A file of the patched tree with one thing wrong.

    Attributes:
        file: Its path from the top of the tree.
        line: Where what is wrong begins, from 1.
        before, after: The code there, without line ends and indentation.
        content: The whole file.
        patched: The whole file as the series made it.
    """

    file: str
    line: int
    kind: Kind
    before: str
    after: str
    content: bytes = field(repr=False)
    patched: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """Names it: another mutant of the same file and content is the same."""
        return hashlib.sha256(self.file.encode() + b"\0" + self.content).hexdigest()[:24]

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    @property
    def change(self) -> str:
        """What is wrong, in a line: what stood there, and what stands there now."""
        return f"{self.before} -> {self.after}" if self.after else f"without {self.before}"

    @property
    def diff(self) -> str:
        """What makes it of the patched tree, for git apply."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        before, after = (
            each.decode(errors="surrogateescape").splitlines(keepends=True)
            for each in (self.patched, self.content)
        )
        for line in unified_diff(before, after, f"a/{self.file}", f"b/{self.file}"):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
