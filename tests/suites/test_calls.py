# SPDX-License-Identifier: GPL-2.0-only
"""Calls of programs that a table names: what they run, and what they come to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab.config.model import Suite
from lab.errors import UserError
from lab.model.status import Status
from lab.suites import suite_for
from lab.suites.built import Built
from lab.suites.calls import Calls
from lab.suites.judge import Ended
from lab.suites.suite import BuiltPrograms, ProgramResult

#: Programs of a source, which say what they were called with.
_BUILD = [
    "printf '#!/bin/sh\\necho said \"$@\"; exit ${STATUS:-0}\\n' >one",
    "printf '#!/bin/sh\\necho other\\n' >two",
    "chmod +x one two",
]


def table(**keys: object) -> Suite:
    source = {"kind": "dir", "path": "theirs"}
    return Suite.model_validate(
        {"kind": "built", "source": source, "build": _BUILD, "take": ["*"], **keys}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "COPYING").write_text("theirs\n")
    return tmp_path


def built(root: Path, section: Suite) -> BuiltPrograms:
    return suite_for(section, root).build(section.programs, root / "cache")


def run(
    root: Path, section: Suite, program: str, shell: str = "sh"
) -> subprocess.CompletedProcess[str]:
    """A call by a shell of this machine's, which has the guest's /lab elsewhere."""
    lab = root / "lab"
    lab.mkdir(exist_ok=True)
    found = shutil.which(shell)
    assert found is not None
    (lab / "sh").symlink_to(found)
    for name, path in built(root, section).files.items():
        if "/" not in name:
            (lab / name).write_text(path.read_text().replace("/lab:", f"{lab}:"))
            (lab / name).chmod(0o755)
    command: list[str | Path] = [lab / program, *section.arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def judged(section: Suite, root: Path, output: str, status: int = 0) -> ProgramResult:
    suite = suite_for(section, root)
    return suite.judge(
        section.programs[0],
        output.encode(),
        status,
        ended=Ended.EXITED,
        detail="",
        selected=False,
    )


def test_a_call_is_a_program_that_nobody_names_twice() -> None:
    assert table(calls={"a": "one -x"}).programs == ("a",)
    assert table(programs=["two", "a"], calls={"a": "one", "b": "one"}).programs == (
        "two",
        "a",
        "b",
    )


@pytest.mark.slow
def test_it_runs_what_was_made_with_its_arguments(root: Path) -> None:
    section = table(calls={"a": 'one -x "of file"; two'}, before="echo 7 >made; echo unheard")
    files = built(root, section).files
    assert {"a", "one", "two"} == set(files)
    end = run(root, section, "a")
    assert (end.stdout, end.returncode) == ("said -x of file\nother\n", 0)
    assert (root / "made").read_text() == "7\n"


@pytest.mark.slow
def test_it_takes_the_arguments_of_its_table(root: Path) -> None:
    section = table(calls={"a": 'one -x "$@"'}, arguments=["of all", "-y"])
    assert run(root, section, "a").stdout == "said -x of all -y\n"


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "busybox", "dash"])
def test_a_command_that_is_not_there_earns_nothing(root: Path, shell: str) -> None:
    section = table(calls={"a": "one; nosuch; true"})
    end = run(root, section, "a", shell)
    assert end.returncode == 0
    # A guest has it in /lab.
    said = f"{end.stdout}{end.stderr}".replace(str(root), "")
    (one,) = judged(section, root, said).judged
    assert one.status is Status.ERROR
    assert 'tools = ["nosuch"]' in one.message


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "status"), [("bash", 3), ("busybox", 3), ("dash", 0)])
def test_a_pipe_does_not_hide_how_it_ended(root: Path, shell: str, status: int) -> None:
    """Where the shell can tell: that of guests can."""
    section = table(calls={"a": "STATUS=3 one | cat"})
    end = run(root, section, "a", shell)
    assert (end.stdout, end.returncode, end.stderr) == ("said\n", status, "")


@pytest.mark.slow
def test_only_what_it_names_goes_into_the_guest(root: Path) -> None:
    assert set(built(root, table(calls={"a": "two"})).files) == {"a", "two"}
    assert set(built(root, table(calls={"a": "two"}, before="one")).files) == {"a", "one", "two"}


@pytest.mark.slow
def test_what_comes_before_fails_and_it_is_no_test(root: Path) -> None:
    section = table(calls={"a": "one"}, before="echo no space >&2; false; echo on")
    end = run(root, section, "a")
    assert (end.stdout, end.returncode) == ("before: no space\n", 126)
    (one,) = judged(section, root, end.stdout, end.returncode).judged
    assert one.status is Status.ERROR
    assert "no space" in one.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("calls", "what"),
    [({"a": "three -x"}, "calls no program that was made"), ({"one": "one -x"}, "is the name of")],
)
def test_calls_of_nothing(root: Path, calls: dict[str, str], what: str) -> None:
    found = built(root, table(calls=calls))
    (error,) = found.failed.values()
    assert isinstance(error, UserError)
    assert what in str(error)
    assert not found.files


def test_a_pass_prints_what_it_should(root: Path) -> None:
    section = table(calls={"a": "one"}, prints="(> .*\n)*> munmap 0x[0-9a-f]+")
    for output, status, wanted in (
        ("> open\n> munmap 0x7f00\n", 0, Status.PASS),
        ("Usage: one FILE\n", 0, Status.FAIL),
        ("", 0, Status.FAIL),
        ("Data miscompare\n", 0, Status.FAIL),
        ("no DAX here\n", 4, Status.SKIP),
        ("> munmap 0x7f00\n", 1, Status.FAIL),
    ):
        (one,) = judged(section, root, output, status).judged
        assert one.status is wanted, output
    (one,) = judged(section, root, "Data miscompare\n").judged
    assert "did not print what it should: 'Data miscompare'" in one.message


def test_silence_can_be_asked_for(root: Path) -> None:
    section = table(calls={"a": "one"}, prints="")
    assert [one.status for one in judged(section, root, "").judged] == [Status.PASS]
    assert [one.status for one in judged(section, root, "x").judged] == [Status.FAIL]


def test_what_a_table_may_not_say() -> None:
    with pytest.raises(ValidationError, match="is no regular expression"):
        table(calls={"a": "one"}, prints="(")
    with pytest.raises(ValidationError, match="take no calls"):
        Suite.model_validate({"calls": {"a": "one"}})
    with pytest.raises(ValidationError):
        table()


def test_its_script_changes_with_it(root: Path) -> None:
    def script(call: str, before: str = "") -> Path:
        return Calls((("a", call),), before).script("a", root / "cache")

    assert script("one -x") == script("one -x")
    assert len({script("one -x"), script("one -y"), script("one -x", "true")}) == 3


def test_a_suite_with_calls_is_one_of_its_kind(root: Path) -> None:
    section = table(calls={"a": "one"})
    assert suite_for(section, root) == suite_for(section, root)
    assert suite_for(section, root) != suite_for(table(calls={"a": "one -x"}), root)
    assert isinstance(suite_for(section, root), Built)
