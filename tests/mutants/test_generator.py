# SPDX-License-Identifier: GPL-2.0-only
"""Which wrong versions there are of what a series wrote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.mutants.change import Change
from lab.mutants.generator import generate, mutants_of
from lab.mutants.mutant import Kind, Mutant

BASE = b"""\
static long f(struct page **pages, unsigned int flags, int n)
{
	long ret = 0;

	if (n)
		ret = g(n);
	return ret;
}
"""


def change(lines: str, after: str = "		ret = g(n);\n") -> Change:
    """BASE with lines added."""
    return Change(BASE, BASE.replace(after.encode(), f"{after}{lines}".encode()))


def made(lines: str) -> list[tuple[Kind, str, str]]:
    return [(each.kind, each.before, each.after) for each in mutants_of("f.c", change(lines))]


@pytest.mark.parametrize(
    ("code", "mutant"),
    [
        ("	if (a(n))\n		ret++;\n", (Kind.INVERTED, "a(n)", "!(a(n))")),
        ("	if (a(n))\n		ret++;\n", (Kind.CONDITION, "a(n)", "1")),
        ("	if (a(n))\n		ret++;\n", (Kind.CONDITION, "a(n)", "0")),
        ("	if (a(n))\n		ret++;\n", (Kind.STATEMENT, "if (a(n)) ret++;", "")),
        ("	if (a(n))\n		ret++;\n", (Kind.STATEMENT, "ret++;", "")),
        ("	ret++;\n", (Kind.OFF_BY_ONE, "ret++;", "ret--;")),
        ("	while (a(n))\n		n--;\n", (Kind.CONDITION, "a(n)", "0")),
        ("	ret = a && b;\n", (Kind.LOGIC, "ret = a && b;", "ret = a || b;")),
        ("	ret = a || b;\n", (Kind.LOGIC, "ret = a || b;", "ret = a && b;")),
        ("	ret = a && b;\n", (Kind.OPERAND, "a", "")),
        ("	ret = a && b;\n", (Kind.OPERAND, "b", "")),
        ("	ret = a && (b & c);\n", (Kind.INVERTED, "b & c", "!(b & c)")),
        ("	ret = n < 4;\n", (Kind.COMPARISON, "ret = n < 4;", "ret = n <= 4;")),
        ("	ret = n < 4;\n", (Kind.COMPARISON, "ret = n < 4;", "ret = n >= 4;")),
        ("	ret = n == 4;\n", (Kind.COMPARISON, "ret = n == 4;", "ret = n != 4;")),
        ("	ret = n < 4;\n", (Kind.OFF_BY_ONE, "ret = n < 4;", "ret = n < 5;")),
        ("	ret = 0x10UL;\n", (Kind.OFF_BY_ONE, "0x10UL", "17UL")),
        ("	ret = !n;\n", (Kind.NEGATION, "ret = !n;", "ret = n;")),
        ("	return -EFAULT;\n", (Kind.ERRNO, "EFAULT", "EDOM")),
        ("	return -EFAULT;\n", (Kind.ERRNO, "-EFAULT", "EFAULT")),
        ("	return -EDOM;\n", (Kind.ERRNO, "EDOM", "EXDEV")),
        ("	ret = FOLL_A | FOLL_B;\n", (Kind.FLAG, "FOLL_A", "FOLL_B")),
        ("	ret = FOLL_A | FOLL_B;\n", (Kind.FLAG, "FOLL_B", "FOLL_A")),
        ("	flags &= ~FOLL_A;\n", (Kind.FLAG, "FOLL_A", "0")),
        ("	ret = n & 2;\n", (Kind.BITS, "ret = n & 2;", "ret = n | 2;")),
        ("	ret = pages[n];\n", (Kind.OFF_BY_ONE, "ret = pages[n];", "ret = pages[n + 1];")),
        ("	ret = a(n) ? n : 4;\n", (Kind.INVERTED, "a(n)", "!(a(n))")),
        ("	goto out;\n", (Kind.STATEMENT, "goto out;", "")),
        ("	g(n);\n", (Kind.HUNK, "the hunk of 1 lines that begins here", "")),
    ],
)
def test_what_may_be_wrong(code: str, mutant: tuple[Kind, str, str]) -> None:
    assert mutant in made(code)


def test_the_patch_of_2015_has_thirty(patch_of_2015: Change) -> None:
    found = generate({"mm/gup.c": patch_of_2015})
    assert found.of == len(found.chosen) == 30
    assert {each.line for each in found.chosen} <= set(range(3, 14))
    assert len({each.digest for each in found.chosen}) == 30
    for kind in set(Kind) - {Kind.OFF_BY_ONE}:
        assert any(each.kind is kind for each in found.chosen), kind


def test_only_what_the_series_wrote_is_mutated() -> None:
    for mutant in mutants_of("f.c", change("	if (a(n))\n		ret++;\n")):
        unlike = [
            number
            for number, (one, two) in enumerate(
                zip(mutant.patched.splitlines(), mutant.content.splitlines(), strict=False)
            )
            if one != two
        ]
        assert mutant.kind is Kind.HUNK or set(unlike) <= {6, 7}, mutant


def test_a_statement_that_is_only_partly_new_is_not_removed() -> None:
    # The condition is new, what it is a condition of is not.
    patched = BASE.replace(b"	if (n)\n", b"	if (n > 2)\n")
    kinds = [each.kind for each in mutants_of("f.c", Change(BASE, patched))]
    assert Kind.STATEMENT not in kinds
    assert Kind.COMPARISON in kinds


def test_lines_stay_where_they_are() -> None:
    for mutant in mutants_of("f.c", change("	if (a(n) &&\n			b(n))\n		ret++;\n")):
        if mutant.kind is not Kind.HUNK:
            assert mutant.content.count(b"\n") == mutant.patched.count(b"\n"), mutant


def test_each_diff_makes_the_mutant(tmp_path: Path) -> None:
    mutants = list(mutants_of("f.c", change("	if (a(n) && !b(n))\n		ret = -EIO;\n")))
    assert len(mutants) > 8
    for mutant in mutants:
        (tmp_path / "f.c").write_bytes(mutant.patched)
        command = ["git", "apply", "-"]
        subprocess.run(command, cwd=tmp_path, input=mutant.diff.encode(), check=True)
        assert (tmp_path / "f.c").read_bytes() == mutant.content


def test_each_hunk_is_left_out_alone() -> None:
    filler = b"".join(b"	h(%d);\n" % number for number in range(10))
    base = b"void f(void)\n{\n	old();\n" + filler + b"}\n"
    patched = base.replace(b"	old();\n", b"	new();\n").replace(b"}\n", b"	last();\n}\n")
    found = [each for each in mutants_of("f.c", Change(base, patched)) if each.kind is Kind.HUNK]
    assert [each.line for each in found] == [3, 14]
    assert found[0].content == patched.replace(b"	new();\n", b"	old();\n")
    assert found[1].content == patched.replace(b"	last();\n", b"")


def test_what_two_ways_make_is_one_mutant() -> None:
    base = BASE.replace(b"	if (n)\n", b"	if (n <= 4)\n")
    found = list(
        mutants_of("f.c", Change(base, BASE.replace(b"	if (n)\n", b"	if (n < 4)\n")))
    )
    # Without the hunk there is the comparison that it changed.
    assert [each.kind for each in found if each.content == base] == [Kind.HUNK]


def test_what_is_not_c_is_told() -> None:
    text = Change(b"", b"obj-y += f.o\n")
    found = generate({"mm/Makefile": text, "f.c": change("	g(n);\n"), "gone.c": None})
    assert found.left_out == (("gone.c", "removed"), ("mm/Makefile", "not C"))
    assert {each.file for each in found.chosen} == {"f.c"}


def test_a_comment_has_no_mutant_but_its_hunk() -> None:
    assert [kind for kind, *_ in made("	/* if (n == 4) return; */\n")] == [Kind.HUNK]


def test_so_many_are_spread_over_all(patch_of_2015: Change) -> None:
    whole: tuple[Mutant, ...] = generate({"mm/gup.c": patch_of_2015}).chosen
    some = generate({"mm/gup.c": patch_of_2015}, 5)
    assert some.chosen == tuple(whole[number] for number in (0, 6, 12, 18, 24))
    assert some.of == 30
    assert generate({"mm/gup.c": patch_of_2015}, 99).chosen == whole
