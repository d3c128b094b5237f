# SPDX-License-Identifier: GPL-2.0-only
"""Objects compiled once more with debug information: which, and by what command."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.build.debug_objects import MOST_USERS, _Chosen, _command
from lab.build.workbench import Workbench


def note(bench: Workbench, target: str, *includes: str) -> None:
    (bench.source / target).with_suffix(".c").parent.mkdir(parents=True, exist_ok=True)
    (bench.source / target).with_suffix(".c").touch()
    path = bench.objects / target
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"  {bench.source}/{name} \\\n" for name in includes)
    path.with_name(f".{path.name}.cmd").write_text(f"cmd_{target} := gcc -c\n\ndeps := \\\n{lines}")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        (
            "cc -Wp,-MMD,mm/.gup.o.d -O2 -c -o mm/gup.o ../src/mm/gup.c",
            "cc  -O2 -g -gdwarf-4 -c -o x/gup.o ../src/mm/gup.c",
        ),
        # What objtool does to an object it has to do to this one, too.
        (
            "cc -c -o mm/gup.o mm/gup.c ; ./tools/objtool --orc mm/gup.o",
            "cc -g -gdwarf-4 -c -o x/gup.o mm/gup.c ; ./tools/objtool --orc x/gup.o",
        ),
        # As make itself reads its note.
        (
            'cc -D"S(s)=$(pound)s" -DA=$$x -c -o mm/gup.o mm/gup.c',
            'cc -D"S(s)=#s" -DA=$x -g -gdwarf-4 -c -o x/gup.o mm/gup.c',
        ),
    ],
)
def test_the_command_is_the_objects_own(kept: str, wanted: str) -> None:
    assert _command(kept, "mm/gup.o", "x/gup.o") == wanted


def test_a_file_is_told_of_by_its_own_object(bench: Workbench) -> None:
    note(bench, "mm/gup.o")
    note(bench, "mm/mlock.o")
    assert _Chosen.of(bench, ["mm/gup.c", "mm/none.c"], ()) == _Chosen(
        ("mm/gup.o",), ("mm/gup.c",), ()
    )


def test_a_header_is_told_of_by_those_that_include_it(bench: Workbench) -> None:
    note(bench, "mm/gup.o", "mm/internal.h")
    note(bench, "mm/mlock.o", "mm/internal.h", "mm/other.h")
    note(bench, "fs/dax.o", "fs/internal.h", "mm/internal.hpp")
    found = _Chosen.of(bench, ["mm/internal.h"], ())
    assert found.targets == ("mm/gup.o", "mm/mlock.o")


def test_too_many_are_cut_and_that_is_told(bench: Workbench) -> None:
    for number in range(MOST_USERS + 1):
        note(bench, f"mm/a{number:02}.o", "mm/internal.h")
    found = _Chosen.of(bench, ["mm/internal.h"], [f"a{MOST_USERS}.c"])
    assert len(found.targets) == MOST_USERS
    assert found.targets[0] == f"mm/a{MOST_USERS}.o"
    assert found.cut == ("mm/internal.h",)
