# SPDX-License-Identifier: GPL-2.0-only
"""A file that was asked for, and not there, as the object was compiled: make knows nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.build import BuildJob
from lab.build.sought import seeking
from lab.errors import InfrastructureError
from tests.build.conftest import Bench
from tests.build.test_kept_objects import MLOCK, builds, like_kbuild
from tests.build.test_shadowed import no_grep

__all__ = ["like_kbuild", "no_grep"]

_ASKS = "#if __has_include({})\n#include {}\n#else\n#define MORE 0\n#endif\n"
_GUP = "int gup(void)\n{\n\treturn MORE;\n}\n"
_NOTE = """cmd_mm/gup.o := gcc -c

source_mm/gup.o := {src}/mm/gup.c

deps_mm/gup.o := \\
  {src}/include/more.h \\
  include/generated/bounds.h \\

mm/gup.o: $(deps_mm/gup.o)
"""


def _with_other_mlock(bench: Bench) -> BuildJob:
    """A kernel that nobody has built yet."""
    return bench.job({"mm/mlock.c": MLOCK % 2})


def _asking(bench: Bench, name: str = "<more.h>") -> None:
    (bench.kernel / "mm/gup.c").write_text("#include <asks.h>\n")
    asks = bench.kernel / "include/asks.h"
    asks.write_text(_ASKS.format(name, name) + _GUP)


@pytest.mark.parametrize("name", ["<more.h>", '"more.h"', '"../include/more.h"'])
def test_one_that_comes_and_goes(bench: Bench, name: str) -> None:
    _asking(bench, name)
    builds(bench, bench.job({}))
    (bench.kernel / "include/more.h").write_text("#define MORE 7\n")
    assert builds(bench, bench.job({})) == ["mm/gup.o"]
    (bench.kernel / "include/more.h").unlink()
    assert builds(bench, _with_other_mlock(bench)) == ["mm/gup.o", "mm/mlock.o"]


def test_one_that_is_only_asked_for(bench: Bench) -> None:
    """It is in no note even where it is there."""
    text = "int gup(void)\n{\n#if __has_include(<more.h>)\n\treturn 7;\n#endif\n\treturn 0;\n}\n"
    (bench.kernel / "mm/gup.c").write_text(text)
    builds(bench, bench.job({}))
    (bench.kernel / "include/more.h").write_text("")
    assert builds(bench, bench.job({})) == ["mm/gup.o"]
    (bench.kernel / "include/more.h").unlink()
    assert builds(bench, _with_other_mlock(bench)) == ["mm/gup.o", "mm/mlock.o"]


def test_one_that_nobody_asks_for(bench: Bench) -> None:
    _asking(bench)
    builds(bench, bench.job({}))
    (bench.kernel / "include/others.h").write_text("#define MORE 7\n")
    assert builds(bench, _with_other_mlock(bench)) == ["mm/mlock.o"]


@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        ('#if __has_include("errata/more.h")\n', True),
        ("# if defined(A) && __has_include ( <linux/more.h> )\n", True),
        ("#if __has_include_next(<more.h>)\n", True),
        ("#if __has_include(NAME)\n", True),
        ("#if __has_include(<other.h>)\n#elif __has_include(<more.h>)\n", True),
        ("#define HAS(x) __has_include(x)\n", True),
        ("#ifdef __has_include\n#include <more.h>\n#endif\n", False),
        ("#define __has_include(x) 0\n", False),
        ("# define __has_include(x) 0 /* more.h */\n", False),
        ("#if __has_include(<no-more.h>)\n", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("seeker", ["mm/gup.c", "include/more.h"])
def test_what_asks(tmp_path: Path, text: str, is_asked: bool, seeker: str) -> None:
    source, objects = tmp_path / "src", tmp_path / "obj"
    for path in ("mm/gup.c", "include/more.h"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text if path == seeker else "")
    (objects / "mm").mkdir(parents=True)
    note = objects / "mm/.gup.o.cmd"
    note.write_text(_NOTE.format(src=source))
    assert list(seeking(objects, source, ["net/more.h"])) == ([note] if is_asked else [])
    assert list(seeking(objects, source, ["net/more.c", "net/more.rst"])) == []


@pytest.mark.timeout(20)
def test_a_note_may_name_anything(tmp_path: Path) -> None:
    """What lies elsewhere, or is no file, is not read: of a pipe nobody would come back."""
    source, objects = tmp_path / "src", tmp_path / "obj"
    (objects / "mm").mkdir(parents=True)
    source.mkdir()
    asks = "#if __has_include(<more.h>)\n"
    (tmp_path / "outside.h").write_text(asks)
    os.mkfifo(objects / "pipe.h")
    (objects / "link.h").symlink_to(tmp_path / "outside.h")
    note = objects / "mm/.gup.o.cmd"
    for named in ("../outside.h", f"{tmp_path}/outside.h", "pipe.h", "link.h", "gone.h"):
        note.write_text(f"deps_mm/gup.o := \\\n  {named} \\\n")
        assert list(seeking(objects, source, ["more.h"])) == [], named
    (objects / "made.h").write_text(asks)
    note.write_text("deps_mm/gup.o := \\\n  ./made.h \\\n")
    assert list(seeking(objects, source, ["more.h"])) == [note]


def test_notes_that_nobody_may_read_are_our_trouble(tmp_path: Path, no_grep: None) -> None:
    with pytest.raises(InfrastructureError, match="cannot be looked at"):
        list(seeking(tmp_path, tmp_path, ["mm/a.h"]))
