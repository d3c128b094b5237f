# SPDX-License-Identifier: GPL-2.0-only
"""Two linked programs: what of them is another, wherever it has gone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.binary.difference import Difference, difference
from lab.binary.image import Name
from lab.errors import InfrastructureError

BASE = """\
#define KEEP __attribute__((noipa, used))
extern int other(int);
static int calls;
const char *const words[] = { "one", "two" };
KEEP int first(int x) { return x * 3 + 1; }
KEEP int second(int x) { return first(x) + other(x); }
int (*table[])(int) = { first, second };
KEEP const char *say(int x) { calls++; return x ? "yes" : words[x & 1]; }
KEEP int walk(int x) { int sum = 0; for (int i = 0; i < 2; i++) sum += table[i](x); return sum; }
KEEP static int same(int x) { return x ^ 0x11; }
void _start(void) { walk(same((int)(long)say(calls))); }
"""
OTHER = """\
#define KEEP __attribute__((noipa, used))
KEEP static int same(int x) { return x ^ 0x22; }
KEEP int other(int x) { return same(x); }
"""
LONGER = BASE.replace("x * 3 + 1", "x / 7 ? x % 1234567 / 3 : x / 11 * 5")


def linked(folder: Path, name: str, *sources: str, flag: str = "-O2") -> Path:
    """A program that no library is in."""
    place = folder / name
    place.mkdir()
    for at, source in enumerate(sources):
        (place / f"part{at}.c").write_text(source)
    flags = ("-O2", "-nostdlib", "-static", "-no-pie", "-fno-pie", "-fno-builtin", "-Wl,--build-id")
    files = [f"part{at}.c" for at in range(len(sources))]
    subprocess.run(["gcc", *flags, "-o", "vmlinux", flag, *files], cwd=place, check=True)
    return place / "vmlinux"


def told(tmp_path: Path, *patched: str) -> Difference:
    base = linked(tmp_path, "base", BASE, OTHER)
    return difference(base, linked(tmp_path, "patched", *patched))


@pytest.mark.slow
def test_a_comment_changes_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, f"/* new */\n\n{BASE}", OTHER) == Difference(same=True)


@pytest.mark.slow
def test_what_only_moved_is_not_told(tmp_path: Path) -> None:
    found = told(tmp_path, LONGER, OTHER)
    assert not found.same
    assert found.names == ("first",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("first(x) + other(x)", "first(x) + second(x)", "second"),
        ("x ^ 0x11", "x ^ 0x13", "same"),
        ("{ first, second }", "{ second, first }", "table"),
        ("i < 2", "i < 1", "walk"),
    ],
)
@pytest.mark.parametrize("around", [BASE, LONGER])
def test_what_is_another_is_found_wherever_it_is(
    tmp_path: Path, around: str, old: str, new: str, name: str
) -> None:
    found = told(tmp_path, around.replace(old, new), OTHER)
    assert not found.same
    assert set(found.names) - {"first"} == {name}


def test_what_only_inlines_what_is_another_is_told_apart() -> None:
    def name(symbol: str) -> Name:
        return Name("", symbol, 0)

    changed = (name("first"), name("second.constprop"), name("__do_sys_mlock"), name("walk"))
    found = Difference(False, changed, (name("out.part"),), (name("same"),))
    apart = found.told_apart({"first", "second", "mlock"})
    assert [each.name for each in apart.elsewhere] == ["walk", "out.part", "same"]
    assert apart.names == found.names


@pytest.mark.slow
def test_a_string_has_no_name_and_is_no_less_another(tmp_path: Path) -> None:
    assert told(tmp_path, BASE.replace('"yes"', '"no!"'), OTHER) == Difference(same=False)


@pytest.mark.slow
def test_two_of_one_name_are_told_apart_by_their_files(tmp_path: Path) -> None:
    found = told(tmp_path, LONGER, OTHER.replace("0x22", "0x23"))
    assert {(each.file, each.name) for each in found.changed} == {
        ("", "first"),
        ("part1.c", "same"),
    }


@pytest.mark.slow
def test_what_came_and_what_went(tmp_path: Path) -> None:
    renamed = OTHER.replace("same", "alike")
    found = told(tmp_path, BASE, renamed)
    assert [(each.file, each.name) for each in found.added] == [("part1.c", "alike")]
    assert [(each.file, each.name) for each in found.gone] == [("part1.c", "same")]


@pytest.mark.slow
def test_no_kernel(tmp_path: Path) -> None:
    base = linked(tmp_path, "base", BASE, OTHER)
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, base], check=True)
    for file, why in ((stripped, "has no symbols"), (Path(__file__), "cannot be read")):
        with pytest.raises(InfrastructureError, match=why):
            difference(base, file)


#: As arch/x86/include/asm/bug.h makes an entry, of 12 bytes.
WARNS = """
KEEP int warns(int x) { if (x) asm volatile("1: ud2\\n"
  ".pushsection __bug_table,\\"aw\\"\\n2: .long 1b - 2b, 0\\n.word %c0, %c1\\n.popsection"
  : : "i" (__LINE__), "i" (FLAGS)); return x; }
"""


@pytest.mark.slow
def test_a_warning_is_another_by_what_it_does_and_not_by_its_line(tmp_path: Path) -> None:
    once, again = (f"#define FLAGS {flags}\n{BASE}{WARNS}" for flags in (0x909, 0x90B))
    # The build's digest is in .notes where the kernel's linker script says so.
    base, moved, other = (
        linked(tmp_path, name, source, OTHER, flag="-Wl,--build-id=none")
        for name, source in (("base", once), ("moved", f"\n{once}"), ("again", again))
    )
    assert difference(base, moved).same
    assert not difference(base, other).same
