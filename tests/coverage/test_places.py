# SPDX-License-Identifier: GPL-2.0-only
"""Where a line begins in a function's code, and where it only goes on."""

from __future__ import annotations

from lab.coverage.code_lines import read_source
from lab.coverage.debug_object import Row
from lab.coverage.formulas import FileLines
from lab.coverage.machine_code import Code, Edge, Instruction
from lab.coverage.places import PlacedFunction

FILE = "mm/gup.c"
TEXT = """\
int f(int error, int pages)
{
	g(error);
	if (error == 17) {
		if (pages)
			h();
	}
	return k();
}
"""
#: As gcc 12 has it of mm/gup.c of 6.12: from where the error is known the comparison of line 4 is
#: left out, but for its place in the line table, which is where the other comparison leads.
CODE = Code(
    (
        Instruction(16, "cmp", None),
        Instruction(20, "je", 40),
        Instruction(24, "mov", None),
        Instruction(28, "ret", None),
        Instruction(36, "mov", None),
        Instruction(40, "test", None),
        Instruction(44, "jne", 24),
        Instruction(48, "call", None),
        Instruction(52, "jmp", 24),
    )
)


def row(address: int, line: int) -> Row:
    return Row(address, FILE, line, True)


BARE = row(40, 4)
ROWS = (row(16, 4), row(24, 8), row(36, 3), BARE, row(40, 5), row(48, 6))


def lines(*rows: Row) -> FileLines:
    placed = PlacedFunction("f", CODE, rows, lambda _: 0)
    return FileLines(FILE, read_source(TEXT), (placed,))


def test_a_line_that_its_own_branch_leads_to_goes_on_there() -> None:
    found = lines(*ROWS).formula(4)
    assert (set(found.plus), found.minus) == ({16, 40}, (Edge(20, 40),))


def test_one_that_is_asked_again_there_begins_again() -> None:
    rows = [each for each in ROWS if each != row(40, 5)]
    found = lines(*rows).formula(4)
    assert (set(found.plus), found.minus) == ({16, 40}, ())


def test_another_lines_branch_is_no_matter_of_its() -> None:
    found = lines(row(16, 3), *ROWS[1:]).formula(4)
    assert (set(found.plus), found.minus) == ({40}, ())
