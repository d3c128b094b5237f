# SPDX-License-Identifier: GPL-2.0-only
"""Which functions and data of a file are other words."""

from __future__ import annotations

import pytest

from lab.coverage.rewritten import rewritten

TEXT = """\
#include <linux/mm.h>
#define LIMIT 4
static int table[] = { 1, 2 };

static long
first(long x)
{
	return x + 1;
}

/* what it does */
SYSCALL_DEFINE2(second, long, x, long, y)
{
	return first(x) + y;
}

struct pair {
	int one;
};

int third(int x)
{
	return x;
}
"""


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("x + 1", "x + 2", {"first"}),
        ("static long\nfirst(long x)", "static int\nfirst(long x)", {"first"}),
        ("first(x) + y", "first(x)", {"second"}),
        ("\treturn x;\n", "\tif (x)\n\t\treturn 1;\n\treturn x;\n", {"third"}),
        ("int one;", "int one, two;", {"one", "two"}),
        ("{ 1, 2 }", "{ 1, 3 }", {"table"}),
        ("LIMIT 4", "LIMIT 5", {"LIMIT"}),
        ("int third(int x)\n{\n\treturn x;\n}\n", "", {"third"}),
    ],
)
def test_what_is_other(before: str, after: str, names: set[str]) -> None:
    assert TEXT.count(before) == 1
    found = rewritten(TEXT.split("\n"), TEXT.replace(before, after).split("\n"))
    assert names <= found
    assert not found & ({"first", "second", "third", "table", "LIMIT", "one"} - names)


def test_what_is_the_same_has_none() -> None:
    assert rewritten(TEXT.split("\n"), TEXT.split("\n")) == frozenset()


ASSEMBLED = """\
#include <asm/asm.h>
SYM_FUNC_START(clear)
\tmovl $1,%ecx
1:\trep stosq
\tRET
SYM_FUNC_END(clear)

other:
\tret
"""


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [("$1", "$2", {"clear"}), ("1:\trep", "1:\tnop; rep", {"clear"}), ("\tret", "", {"other"})],
)
def test_what_is_other_of_an_assemblers(before: str, after: str, names: set[str]) -> None:
    new = ASSEMBLED.replace(before, after)
    found = rewritten(ASSEMBLED.split("\n"), new.split("\n"), assembled=True)
    assert found & {"clear", "other"} == names
