# SPDX-License-Identifier: GPL-2.0-only
"""What is code in a C file, told from its text."""

from __future__ import annotations

import pytest

from lab.coverage.code_lines import read_source

TEXT = """\
/* one */
#define TWICE(x) \\
	((x) + (x))

struct point {
	int x;
};

static const struct ops table = {
	.open = first,
};

static int first(struct point *point, int count)
{
	int total;
	struct point *other;
	int begun = count;

	/*
	Nothing here runs.
	*/
	list_for_each_entry(other, &point->list, list)
		total += other->x;
	if (count > 1 &&
			begun) {
		goto out;
	} else if (count) {
		total = TWICE(count); // and this does
	}
	switch (count) {
	case 1:
		return call("}", '{',
				total);
	default:
		break;
	}
#ifdef CONFIG_NONE
	total++;
#endif
out:
	return total;
}
"""


def number_of(words: str) -> int:
    return next(n for n, line in enumerate(TEXT.split("\n"), 1) if words in line)


@pytest.mark.parametrize(
    "words",
    [
        "int begun",
        "list_for_each_entry",
        "total += other",
        "if (count > 1",
        "begun) {",
        "goto out",
        "} else if",
        "and this does",
        "switch (count)",
        'return call("}"',
        "total);",
        "break;",
        "total++",
        "return total",
    ],
)
def test_code(words: str) -> None:
    assert read_source(TEXT).is_code(number_of(words))


@pytest.mark.parametrize(
    "words",
    [
        "/* one */",
        "#define",
        "((x) + (x))",
        "int x;",
        ".open = first",
        "static int first",
        "int total;",
        "struct point *other;",
        "Nothing here runs",
        "case 1:",
        "default:",
        "#ifdef",
        "#endif",
        "out:",
    ],
)
def test_no_code(words: str) -> None:
    assert not read_source(TEXT).is_code(number_of(words))


def test_braces_and_blank_lines_are_no_code() -> None:
    source = read_source(TEXT)
    lines = enumerate(TEXT.split("\n"), 1)
    assert not any(source.is_code(n) for n, line in lines if line.strip() in ("", "{", "}"))


def test_a_statement_begins_above_its_other_lines() -> None:
    [function] = read_source(TEXT).functions
    statement = function.statement_at(number_of("total);"))
    assert statement is not None
    assert statement.first == number_of('return call("}"')


def test_a_label_leads_to_what_stands_behind_it() -> None:
    [function] = read_source(TEXT).functions
    assert next(function.after_label("out")).first == number_of("return total")


def test_what_is_cut_off_is_read_all_the_same() -> None:
    for cut in range(0, len(TEXT), 7):
        for text in (TEXT[:cut], TEXT[cut:]):
            for function in read_source(text).functions:
                assert all(each.first <= each.last for each in function.everything())
