# SPDX-License-Identifier: GPL-2.0-only
"""What make says: steps, the first error, and whose fault it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.build.make import Make, Step, _lines, build_error
from lab.errors import InfrastructureError, LabError, Location, UserError
from lab.process import ProcessTimeout
from lab.process.deadline import Deadline

SOURCE = Path("/cache/src")


def made(tmp_path: Path, recipe: str) -> tuple[list[Step], str]:
    (tmp_path / "Makefile").write_text(f"all:\n\t@{recipe}\n")
    log = tmp_path / "log"
    steps: list[Step] = []
    Make(tmp_path, tmp_path, (), log, Deadline("build", 10))("all", on_step=steps.append)
    return steps, log.read_text()


def test_steps_among_other_output(tmp_path: Path) -> None:
    said = r"checking\n  CC      mm/gup.o\n  CC [M]  fs/dax.o\nwarning: x\n"
    steps, log = made(tmp_path, f"printf '{said}'")
    assert steps == [Step("CC", "mm/gup.o"), Step("CC", "fs/dax.o")]
    assert said.replace(r"\n", "\n") in log


def test_a_last_line_without_an_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stream:
        lines = list(_lines([b"  CC  a.o\n  L", b"D  vmlinux"], stream))
    assert lines == [b"  CC  a.o", b"  LD  vmlinux"]
    assert log.read_bytes() == b"  CC  a.o\n  LD  vmlinux"


def test_what_was_said_before_a_hang_is_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@printf 'no end'; sleep 20\n")
    with pytest.raises(ProcessTimeout):
        Make(tmp_path, tmp_path, (), tmp_path / "log", Deadline("build", 0.3))("all")
    assert "no end" in (tmp_path / "log").read_text()


def test_a_line_that_comes_in_pieces(tmp_path: Path) -> None:
    steps, _ = made(tmp_path, r"printf '  CC   '; sleep 0.05; printf 'mm/gup.o\n'")
    assert steps == [Step("CC", "mm/gup.o")]


def error(tmp_path: Path, log: str) -> LabError:
    path = tmp_path / "build.log"
    path.write_text("from an earlier make: error: no\n" + log)
    return build_error(path, len("from an earlier make: error: no\n"), SOURCE, 2)


@pytest.mark.parametrize(
    ("line", "where", "what"),
    [
        (
            "/cache/src/mm/gup.c:9:5: error: 'X' undeclared",
            Location(Path("mm/gup.c"), 9),
            "'X' und",
        ),
        ("mm/gup.c:9:10: fatal error: x.h: No such", Location(Path("mm/gup.c"), 9), "x.h: No such"),
        ("scripts/a.c:3: error: old gcc", Location(Path("scripts/a.c"), 3), "old gcc"),
        ("ld: mm/gup.o: undefined reference to `x'", None, "undefined reference"),
        ("make[1]: *** [Makefile:3: x] Error 2", None, "Error 2"),
        ("objtool: something odd", None, "objtool: something odd"),
    ],
)
def test_the_first_error(tmp_path: Path, line: str, where: Location | None, what: str) -> None:
    talk = "  CC      mm/gup.o\n" * 30
    failed = error(tmp_path, f"{talk}{line}\n")
    assert isinstance(failed, UserError)
    assert failed.where == where or (where is None and failed.where == tmp_path / "build.log")
    assert what in failed.what
    assert failed.detail is not None
    assert line in failed.detail


def test_a_compiler_s_error_goes_before_make_s(tmp_path: Path) -> None:
    failed = error(tmp_path, "make: *** waiting. Stop.\n/cache/src/a.c:1:1: error: first\n")
    assert failed.where == Location(Path("a.c"), 1)


@pytest.mark.parametrize(
    "line",
    [
        "/tmp/cc1.s: Fatal error: can't write 9 bytes to mm/gup.o: No space left on device",
        "gcc: fatal error: Killed signal terminated program cc1",
        "/bin/sh: 1: Cannot allocate memory",
        "/bin/sh: 1: echo: echo: I/O error",
    ],
)
def test_the_machine_s_fault(tmp_path: Path, line: str) -> None:
    failed = error(tmp_path, f"{line}\nmake: *** [Makefile:3: x] Error 1\n")
    assert isinstance(failed, InfrastructureError)
    assert line in failed.what


def test_source_that_says_killed_is_not_the_machine_s_fault(tmp_path: Path) -> None:
    quoted = '  950 |         pr_err("%s: Killed process %d", message);\n'
    failed = error(tmp_path, f"mm/oom_kill.c:950:9: error: 'message' undeclared\n{quoted}")
    assert isinstance(failed, UserError)


def test_a_make_that_says_nothing(tmp_path: Path) -> None:
    assert "said nothing" in error(tmp_path, "").what


def test_a_linker_s_warning_is_no_error(tmp_path: Path) -> None:
    warned = "/usr/bin/ld: warning: vdso-note.o: missing .note.GNU-stack section\n"
    noted = "/usr/bin/ld: NOTE: This behaviour is deprecated\n"
    undefined = "ld: arch/x86/built-in.o: undefined reference to `sys_none'"
    caught = error(tmp_path, f"{warned}{noted}  CC  a.o\n{undefined}\nmake: *** [x] Error 1\n")
    assert undefined in str(caught)
    assert undefined in caught.what


def test_a_make_that_was_killed(tmp_path: Path) -> None:
    """Whatever it said last."""
    (tmp_path / "build.log").write_text("mm/a.c:1:1: error: half a line")
    failed = build_error(tmp_path / "build.log", 0, Path("/cache/src"), 137)
    assert isinstance(failed, InfrastructureError)
    assert "make was ended by SIGKILL" in failed.what
