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
