# SPDX-License-Identifier: GPL-2.0-only
"""Guest programs compiled: each by itself, for all that goes into it and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.process import run
from lab.process.seal import SEAL
from lab.suites.c_compiler import compile_programs
from lab.suites.c_programs import LIBRARY, CPrograms
from lab.suites.suite import BuiltPrograms

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parents[2] / "guest-tests"
#: Exits with a number that something else decides.
EXITS = "{above}int main(void)\n{{\n\treturn {number};\n}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "guest-tests"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("build"))
    return copy


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def write(folder: Path, name: str, number: str, above: str = "") -> None:
    (folder / name).write_text(EXITS.format(above=above, number=number))


def status(compiled: BuiltPrograms, name: str) -> int:
    assert not compiled.failed
    return run([compiled.files[name]], check=False).status


def kept(cache: Path) -> set[str]:
    return {path.name for path in (cache / "programs").glob("[!.]*/*")} - {SEAL}


def test_program_of_ones_own_needs_no_line_anywhere(folder: Path, cache: Path) -> None:
    write(folder, "mine.c", "unused ? 1 : 7", "static int unused;\nstatic int loose(void);\n")
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 7
    # A warning is none of the lab's business; those that ship have none.
    with (folder / "dax-proof.c").open("a") as source:
        source.write("static int loose(void);\n")
    failed = compile_programs(folder, ["mine", "dax-proof"], cache=cache).failed
    assert list(failed) == ["dax-proof"]
    said = failed["dax-proof"].what
    assert re.match(r"dax-proof does not compile: .*loose.*\[-Werror", said)


@pytest.mark.parametrize("harmed", [b"", b"#!/bin/sh\nexit 0\n"])
def test_program_in_the_cache_that_was_damaged_is_made_again(
    folder: Path, cache: Path, harmed: bytes
) -> None:
    write(folder, "mine.c", "7")
    (made := compile_programs(folder, ["mine"], cache=cache).files["mine"]).write_bytes(harmed)
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 7
    assert made.read_bytes() != harmed


def test_what_nobody_asked_for_is_not_compiled(folder: Path, cache: Path) -> None:
    (folder / "half-written.c").write_text("int main(void) {\n")
    write(folder, "mine.c", "0")
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 0
    assert kept(cache) == {"mine"}


def test_program_that_does_not_compile_costs_no_other(folder: Path, cache: Path) -> None:
    (folder / "broken.c").write_text("int main(void)\n{\n\treturn nowhere;\n}\n")
    (folder / "unlinked.c").write_text("int f(void);\nint main(void) { return f(); }\n")
    write(folder, "mine.c", "0")
    compiled = compile_programs(folder, ["broken", "mine", "unlinked"], cache=cache)
    assert set(compiled.files) == {"mine"}
    assert set(compiled.failed) == {"broken", "unlinked"}
    broken, unlinked = compiled.failed["broken"], compiled.failed["unlinked"]
    assert isinstance(broken, UserError)
    assert broken.where == Location(folder / "broken.c", 3)
    assert "nowhere" in broken.what
    assert unlinked.what.endswith("undefined reference to `f'")
    assert str(cache) not in str(unlinked)
    assert kept(cache) == {"mine"}
    assert not [path for path in (cache / "programs").glob(".*") if path.is_dir()]


def test_header_in_a_folder_below(folder: Path, cache: Path) -> None:
    (folder / "sub").mkdir()
    for number in (1, 2):
        (folder / "sub" / "value.h").write_text(f"#define VALUE {number}\n")
        write(folder, "mine.c", "VALUE", '#include "sub/value.h"\n')
        assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == number


def test_more_files_and_more_options(folder: Path, cache: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "part.c").write_text("int three(void)\n{\n\treturn 3;\n}\n")
    (folder / "mine.mk").write_text("$(O)/obj/mine.o: CFLAGS += -DMORE=4\n")
    write(folder, "mine.c", "three() + MORE", "int three(void);\n")
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 7


def test_nothing_of_the_environment_gets_in(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "from-outside.h").write_text("#define CFLAG 1\n")
    for name, value in {
        "CFLAGS": "-DCFLAG",
        "CPPFLAGS": "-DCFLAG",
        "LDFLAGS": "--no-such-option",
        "LDLIBS": "-lnothing",
        "CC": "false",
        "PROGRAMS": "other",
        "MAKEFLAGS": "n",
        "MAKEFILES": str(folder / "missing.mk"),
        "GNUMAKEFLAGS": "-n",
        "CPATH": str(folder / "elsewhere"),
        "C_INCLUDE_PATH": str(folder / "elsewhere"),
    }.items():
        monkeypatch.setenv(name, value)
    above = '#if defined(CFLAG) || __has_include("from-outside.h")\n#error it got in\n#endif\n'
    write(folder, "mine.c", "0", above)
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 0


def test_a_build_that_made_nothing_is_not_kept(folder: Path, cache: Path) -> None:
    write(folder, "mine.c", "0")
    (folder / "mine.mk").write_text("$(O)/mine:\n\ttrue\n")
    compiled = compile_programs(folder, ["mine"], cache=cache)
    assert "made no program 'mine'" in compiled.failed["mine"].what
    assert "mine" not in kept(cache)
    (folder / "mine.mk").unlink()
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 0


def test_source_that_is_edited_meanwhile(folder: Path, cache: Path) -> None:
    """What is kept under a key was made from what the key says."""
    write(folder, "mine.c", "1")
    write(folder, "later", "2")
    edit = "$(shell test -e later && cp later mine.c && rm later)\n"
    (folder / "mine.mk").write_text(f"ifneq ($(wildcard later),)\n{edit}endif\n")
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 2
    write(folder, "mine.c", "1")
    assert status(compile_programs(folder, ["mine"], cache=cache), "mine") == 1


def test_a_comment_makes_no_other_program(folder: Path, cache: Path) -> None:
    write(folder, "mine.c", "1")
    first = compile_programs(folder, ["mine"], cache=cache)
    write(folder, "mine.c", "1", "/* the same */\n")
    second = compile_programs(folder, ["mine"], cache=cache)
    assert first.files["mine"] != second.files["mine"]
    assert first.digests() == second.digests()
    write(folder, "mine.c", "2")
    third = compile_programs(folder, ["mine"], cache=cache)
    assert third.digests() != first.digests()


def test_a_program_of_ones_own_is_kept_with_what_it_is_linked_with(tmp_path: Path) -> None:
    """``lab repro`` builds it of what the run kept, whatever it includes."""
    mine = tmp_path / "guest-tests"
    shutil.copytree(SOURCES, mine)
    (mine / "mine.c").write_text("int main(void) { return 0; }\n")
    kept = tmp_path / "kept"
    for name, path in CPrograms(tmp_path).sources(["mine"]):
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, kept / name)
    run(["make", "-C", kept, f"O={tmp_path}/out", "PROGRAMS=mine"], timeout=60)
    assert (tmp_path / "out/mine").is_file()
    makefile = (SOURCES / "Makefile").read_text()
    assert f"LIBRARY := {' '.join(LIBRARY)}\n" in makefile
