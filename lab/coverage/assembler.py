# SPDX-License-Identifier: GPL-2.0-only
"""How often the lines of an assembler's file ran: its instructions are there as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lab.coverage.counted import LineState
from lab.coverage.formulas import Counted, Formula
from lab.coverage.places import PlacedFunction

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|(?://|(?m:^)[ \t]*\#)[^\n]*", re.DOTALL)
_LABEL = re.compile(r"^\s*[\w.$]+:")
#: A mnemonic is in small letters; a macro of the kernel's own is in capitals (SYM_FUNC_START).
_INSTRUCTION = re.compile(r"^\s*[a-z][a-z0-9.]*(?:\s|$)")
_MACRO = re.compile(r"^\s*[A-Z_][A-Z0-9_]*\b")
#: They make symbols, sections and tables, and no code (include/linux/linkage.h, asm/asm.h).
_NO_CODE = re.compile(r"^\s*(?:SYM_|EXPORT_SYMBOL|_ASM_EXTABLE|END|ENTRY|WEAK|CFI_)")


@dataclass(frozen=True, eq=False)
class AssemblerLines:
    """The lines of a ``.S`` file in one kernel.

    Attributes:
        file: Its name from the top of the tree.
        text: Its lines.
        functions: Those of the kernel that have code of it.
        compiled: Whether any object of the kernel was made of it.
        lost: Functions whose code is another in the kernel.
    """

    file: str
    text: tuple[str, ...]
    functions: tuple[PlacedFunction, ...]
    compiled: bool = True
    lost: tuple[str, ...] = ()

    def formula(self, line: int) -> Formula:
        """What tells how often a line ran."""
        if not self._is_code(line):
            return Formula(LineState.NOT_CODE)
        if not self.compiled:
            why = "no object that this kernel is linked of has this file"
            return Formula(LineState.NOT_BUILT, why=why)
        plus = tuple(self._beginnings(line))
        if plus:
            return Formula(LineState.RAN, plus)
        why = "no function of the kernel has an instruction of it"
        if self.lost:
            why = f"not in the kernel as it was assembled again: {', '.join(self.lost)}"
        return Formula(LineState.UNKNOWN, why=why)

    def around(self, line: int) -> frozenset[int]:
        """Nothing is left out of what stands there."""
        return frozenset()

    def _is_code(self, line: int) -> bool:
        words = self._bare[line - 1] if line <= len(self._bare) else ""
        if _NO_CODE.match(words):
            return False
        return bool(_INSTRUCTION.match(words) or _MACRO.match(words))

    def _beginnings(self, line: int) -> Iterator[Counted]:
        """Where a line begins, once for each time that it stands there: a macro is several."""
        for placed in self.functions:
            before = None
            for row in placed.rows:
                here = (row.file, row.line) == (self.file, line)
                if here and before != (row.file, row.line):
                    yield placed.code.once(row.address)
                before = (row.file, row.line)

    @cached_property
    def _bare(self) -> tuple[str, ...]:
        """The lines without comments and labels."""
        plain = _COMMENT.sub(_line_ends, "\n".join(self.text))
        return tuple(_LABEL.sub("", each) for each in plain.split("\n"))


def _line_ends(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")
