# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a C file, found again in what it was linked to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.binary.image import Image
from lab.coverage.code_lines import read_source
from lab.coverage.counted import LineState
from lab.coverage.debug_object import DebugObject
from lab.coverage.formulas import FileLines, Formula
from lab.coverage.machine_code import Edge, read_code
from lab.coverage.places import place

pytestmark = pytest.mark.slow

HEADER = """\
static inline long twice(long x)
{
	extern volatile long seen;
	seen = x;
	return x + x;
}
"""
TEXT = """\
#include "twice.h"
extern long ask(long), put(long);
volatile long seen, hidden;
#define BUG() do { if (count) __builtin_unreachable(); } while (0)

static inline long unused(long x)
{
	hidden = x;
	return x;
}

long walk(long count, long *pages)
{
	long i = 0;

	/* it goes round */
	do {
		long page = ask(i);

		if (page < 0) {
			if (!pages)
				goto next;
			return page;
		}
		if (pages)
			pages[i] = page;
next:
		put(i);
		i++;
	} while (i < count);
	return i;
}

long stops(long count, long *pages)
{
	if (count) {
		if (put(count))
			pages[0] = count;
		else
			pages[1] = ask(count);
		count = ask(1);
		if (count)
			return put(count);
		BUG();
	}
	if (pages)
		return pages[2];
	return ask(2);
}

long pair(long x)
{
	if (0)
		put(x);
	return twice(x) + twice(put(x));
}

static inline long folded(long x)
{
	if (x)
		x = 2;
	return 7;
}

long folds(long x)
{
	return put(folded(x));
}

#ifdef CONFIG_NOT_HERE
long left_out(long x)
{
	return x + 1;
}
#endif
"""


def compiled(folder: Path, text: str, name: str, *words: str) -> Path:
    (folder / "walk.c").write_text(text)
    (folder / "twice.h").write_text(HEADER)
    made = folder / name
    command = ["gcc", "-O2", "-fno-pic", "-mcmodel=kernel", "-fcf-protection=none", *words]
    subprocess.run(
        [*command, "-c", "-o", made, folder / "walk.c"], check=True, timeout=60, cwd=folder
    )
    return made


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linked")
    tested = compiled(folder, TEXT, "tested.o")
    (folder / "rest.c").write_text("long ask(long x) { return x; } long put(long x) { return x; }")
    rest = folder / "rest.o"
    subprocess.run(["gcc", "-O2", "-fno-pic", "-c", "-o", rest, folder / "rest.c"], check=True)
    # At other addresses than those of an object alone.
    subprocess.run(
        ["ld", "-e", "walk", "-Ttext=0xffffffff81000000", "-o", folder / "vmlinux", rest, tested],
        check=True,
    )
    compiled(folder, TEXT, "debug.o", "-g", "-gdwarf-4")
    return folder


def _lines(folder: Path, name: str, debug: str = "debug.o") -> FileLines:
    text = (folder / name).read_text()
    vmlinux = folder / "vmlinux"
    found = DebugObject.read(folder / debug, folder)
    interest = {name: frozenset(range(1, text.count("\n") + 1))}
    placing = place(
        found, Image.read(vmlinux), interest, lambda one: read_code(vmlinux, one.address, one.size)
    )
    return FileLines(
        name, read_source(text), placing.functions, lost=placing.lost, may_have=found.may_have
    )


def formula(folder: Path, words: str, name: str = "walk.c") -> Formula:
    text = TEXT if name == "walk.c" else HEADER
    number = text[: text.index(words)].count("\n") + 1
    return _lines(folder, name).formula(number)


def function_of(folder: Path, address: int) -> str:
    image = Image.read(folder / "vmlinux")
    return next(
        each.name.name
        for each in image.symbols
        if each.address <= address < each.address + each.size
    )


def test_a_line_is_where_the_kernel_has_it(linked: Path) -> None:
    found = formula(linked, "page = ask(i)")
    assert found.state is LineState.RAN
    [address] = found.plus
    assert isinstance(address, int)
    assert function_of(linked, address) == "walk"


def test_a_goto_is_a_way_of_the_branch_above_it(linked: Path) -> None:
    found = formula(linked, "goto next")
    assert found.tells
    assert "the branch of line" in found.why
    assert any(isinstance(each, Edge) for each in (*found.plus, *found.minus))


def test_inlined_copies_add_up(linked: Path) -> None:
    found = formula(linked, "seen = x", "twice.h")
    assert len(found.plus) == 2
    assert {function_of(linked, each) for each in found.plus if isinstance(each, int)} == {"pair"}


@pytest.mark.parametrize(
    ("words", "name"), [("hidden = x", "unused"), ("return x + 1", "left_out")]
)
def test_what_nothing_uses_or_the_config_leaves_out_is_in_no_kernel(
    linked: Path, words: str, name: str
) -> None:
    found = formula(linked, words)
    assert (found.state, found.absent) == (LineState.NOT_BUILT, True)
    assert found.why == f"the config leaves {name}() out, or nobody uses it"


def test_what_was_folded_into_others_may_have_run(linked: Path) -> None:
    found = formula(linked, "x = 2;")
    assert found.state in (LineState.MERGED, LineState.RAN)
    assert not found.absent
    # Who has no debug information of it cannot say so.
    text = _lines(linked, "walk.c")
    other = FileLines(text.file, text.text, text.functions)
    number = TEXT[: TEXT.index("hidden = x")].count("\n") + 1
    assert other.formula(number).why == "nothing in this kernel has unused()"


def test_what_leaves_nothing_is_not_counted_as_what_comes_behind_it(linked: Path) -> None:
    """Its place is that of a line to which others come as well."""
    own = formula(linked, "if (pages)\n\t\treturn")
    found = formula(linked, "\t\tBUG();")
    assert set(found.plus) != set(own.plus)


@pytest.mark.parametrize("words", ["it goes round", "long count", "next:", "\tdo {"])
def test_no_code(linked: Path, words: str) -> None:
    assert formula(linked, words).state is LineState.NOT_CODE


def test_what_was_compiled_otherwise_is_not_counted(linked: Path) -> None:
    compiled(linked, TEXT.replace("i < count", "i <= count"), "other.o", "-g", "-gdwarf-4")
    (linked / "walk.c").write_text(TEXT)
    lines = _lines(linked, "walk.c", "other.o")
    assert "walk" in lines.lost
    number = next(n for n, line in enumerate(TEXT.split("\n"), 1) if "put(i)" in line)
    assert lines.formula(number).state is LineState.UNKNOWN
