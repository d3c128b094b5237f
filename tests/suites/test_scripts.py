# SPDX-License-Identifier: GPL-2.0-only
"""Scripts in guest-tests/: what can be run, how, and what it comes to."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.config.model import Suite
from lab.errors import LabError, Location, UserError
from lab.model.status import Status
from lab.suites import suite_for
from lab.suites.c_by_manner import CByManner
from lab.suites.c_programs import CPrograms
from lab.suites.guest_tools import tool_files
from lab.suites.judge import Ended, Judged
from lab.suites.manner import Manner
from lab.suites.scripts import Scripts
from lab.suites.suite import program_digest

Write = Callable[..., Path]
GOOD = "#!/bin/sh\necho fine\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes = GOOD, mode: int = 0o755) -> Path:
        path = tmp_path / "guest-tests" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return write


def failure(root: Path, program: str, tools: tuple[str, ...] = ()) -> LabError:
    built = Scripts(root, Manner(tools=tools)).build([program], root / "cache")
    assert built.files == {}
    return built.failed[program]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("echo fine\n", "has no first line that says what runs it"),
        ("", "has no first line that says what runs it"),
        ("#!/bin/sh\r\necho fine\r\n", "its lines end with CR LF"),
        ("#!\n", "names nothing that runs it"),
        ("#!sh\n", "names nothing that runs it"),
        ("#!/opt/own/sh\n", "is run by /opt/own/sh, which is not in the guest"),
        ("#!/bin/bash -e\n", "is run by /bin/bash, which is not in the guest"),
        ("#!/usr/bin/env -S python3 -u\n", "is run by python3, which is not in the guest"),
        ("#!/" + "x" * 300 + "\n", "longer than 255 bytes"),
        (b"\x7fELF is no program", "is not an ELF program"),
    ],
)
def test_what_no_guest_can_run(write: Write, tmp_path: Path, content: str, what: str) -> None:
    path = write("check.sh", content)
    error = failure(tmp_path, "check.sh")
    assert what in str(error)
    if isinstance(error, UserError):
        assert error.where in (path, Location(path, 1))
        assert error.hint


@pytest.mark.parametrize(
    "interpreter", ["/bin/sh", "/usr/bin/env sh", "/sbin/ash", "/bin/busybox sh"]
)
def test_what_each_guest_has(write: Write, tmp_path: Path, interpreter: str) -> None:
    # Git's archives lose modes, and what a table names is meant to be run.
    write("check.sh", f"#! {interpreter}\necho fine\n", mode=0o644)
    built = Scripts(tmp_path).build(["check.sh"], tmp_path / "cache")
    assert not built.failed
    assert list(built.files) == ["check.sh"]


def test_what_is_run_is_what_was_read(write: Write, tmp_path: Path) -> None:
    path = write("check.sh")
    suite = Scripts(tmp_path)
    first = suite.build(["check.sh"], tmp_path / "cache").files["check.sh"]
    path.write_text("#!/bin/sh\nexit 3\n")
    assert first.read_text() == GOOD
    second = suite.build(["check.sh"], tmp_path / "cache").files["check.sh"]
    assert program_digest(second) != program_digest(first)
    assert dict(suite.sources(["check.sh"])) == {"check.sh": path}


def test_what_is_none_of_the_folders_files(write: Write, tmp_path: Path) -> None:
    inside = write("own.sh")
    secret = tmp_path / "secret"
    secret.write_text(GOOD)
    for name, target in (("out", secret), ("in", inside), ("loop", "loop"), ("gone", "nowhere")):
        (inside.parent / name).symlink_to(target)
    (inside.parent / "folder").mkdir()
    assert "leads out of guest-tests/" in str(failure(tmp_path, "out"))
    assert "is no file" in str(failure(tmp_path, "folder"))
    assert "cannot be read" in str(failure(tmp_path, "loop"))
    assert "cannot be read" in str(failure(tmp_path, "gone"))
    assert not Scripts(tmp_path).build(["in"], tmp_path / "cache").failed


def test_its_tools_come_with_all_that_they_load(write: Write, tmp_path: Path) -> None:
    write("check.sh", "#!/bin/bash\n")
    built = Scripts(tmp_path, Manner(tools=("bash",))).build(["check.sh"], tmp_path / "cache")
    assert not built.failed
    assert "/bin/bash" in built.files
    assert any(Path(name).name == "libc.so.6" for name in built.files)
    # The loader is where the program says, since the kernel goes there.
    assert any(Path(name).name.startswith("ld-linux") for name in built.files)


def test_tools_that_are_not_here(write: Write, tmp_path: Path) -> None:
    write("check.sh")
    for tool in ("no-such-tool", "/nowhere/at/all", "sub/folder"):
        error = failure(tmp_path, "check.sh", tools=(tool,))
        assert tool in str(error)
        assert "on this machine to bring into a guest" in str(error)


def test_a_folder_is_a_tool_too(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("a")
    assert tool_files([str(folder)]) == {str(folder): folder}
    before = program_digest(folder)
    (folder / "sub" / "file").rename(folder / "sub" / "elif")
    assert program_digest(folder) != before


def table(**keys: object) -> Suite:
    return Suite.model_validate({"programs": ["check.sh"], **keys})


def run(suite: Scripts, root: Path, mount: Path) -> subprocess.CompletedProcess[str]:
    """Its command by this machine's shell, which has its /lab elsewhere."""
    words = suite.command("check.sh", str(mount), "", "")
    words = [str(root / "guest-tests" / "check.sh") if w == "/lab/check.sh" else w for w in words]
    # Who reads is to find an end, and not to wait for a deadline.
    return subprocess.run(
        words, input="of nobody\n", capture_output=True, text=True, timeout=20, check=False
    )


def test_a_table_says_how_it_runs(write: Write, tmp_path: Path) -> None:
    write("check.sh", '#!/bin/sh\npwd; echo "$2/$A"; cat; echo no >&2; exit 3\n')
    suite = suite_for(table(arguments=["-n", "it's"], environment={"A": "b c"}), tmp_path)
    assert isinstance(suite, Scripts)
    assert pickle.loads(pickle.dumps(suite)) == suite
    done = run(suite, tmp_path, tmp_path)
    assert (done.returncode, done.stdout) == (3, f"{tmp_path}\nit's/b c\nno\n")
    # What it says of errors would be between the lines of a report.
    told = suite_for(table(output="tap", cwd="/tmp"), tmp_path)
    assert isinstance(told, Scripts)
    done = run(told, tmp_path, tmp_path)
    assert (done.stdout, done.stderr) == ("/tmp\n/\n", "no\n")
    assert run(suite, tmp_path, tmp_path / "nowhere").returncode == 126


def test_what_is_set_may_name_the_mount(write: Write, tmp_path: Path) -> None:
    write("check.sh", '#!/bin/sh\necho "$TMPDIR"\n')
    suite = suite_for(table(environment={"TMPDIR": "{mount}/below"}), tmp_path)
    assert isinstance(suite, Scripts)
    assert run(suite, tmp_path, tmp_path).stdout == f"{tmp_path}/below\n"


def test_a_program_of_c_alone_is_as_before(write: Write, tmp_path: Path) -> None:
    write("mine.c", "int main(void) { return 0; }\n")
    write("mine", "#!/bin/sh\n")
    mine = {"programs": ["mine", "check.sh"]}
    assert suite_for(table(**mine), tmp_path, "mine") == CPrograms(tmp_path)
    assert suite_for(table(**mine), tmp_path, "check.sh") == Scripts(tmp_path)
    by_end = suite_for(table(**mine, output="exit"), tmp_path, "mine")
    assert isinstance(by_end, CByManner)
    assert by_end.command("mine", "/mnt", "", "")[-1] == "/lab/mine"
    assert by_end.tests("mine", None, "other") == []
    with_user = suite_for(table(**mine, user=1000), tmp_path, "mine")
    words = with_user.command("mine", "/mnt", "a*", "")
    assert words[-4:] == ["/lab/mine", "/mnt", "-k", "a*"]
    assert with_user.listing("mine", "/mnt", "") is not None


def test_a_pattern_is_for_one_test_alone() -> None:
    by_end, by_lines = Scripts(Path("/p")), Scripts(Path("/p"), Manner(output="ltp"))
    assert by_end.command("check.sh", "/mnt", "other", "") == []
    assert by_end.tests("check.sh", None, "check*") == ["check.sh"]
    # Which tests it has nobody knows: it runs as a whole.
    assert by_lines.command("check.sh", "/mnt", "other", "")
    assert by_lines.tests("check.sh", None, "other") is None


@pytest.mark.parametrize(
    "said",
    [
        "/lab/check.sh: line 3: xfs_io: not found",
        "/lab/check.sh: line 3: xfs_io: command not found",
        "/lab/check.sh: 3: xfs_io: not found",
    ],
)
@pytest.mark.parametrize("status", [0, 1, 4])
def test_a_command_that_was_not_there_earns_nothing(said: str, status: int) -> None:
    (one,) = judged(f"begins\n{said}\nends\n".encode(), status)
    assert one.status is Status.ERROR
    assert 'tools = ["xfs_io"]' in one.message


def judged(output: bytes, status: int) -> tuple[Judged, ...]:
    return (
        Scripts(Path("/p"))
        .judge("check.sh", output, status, ended=Ended.EXITED, detail="", selected=False)
        .judged
    )


def test_what_only_looks_like_that() -> None:
    for said in (b"xfs_io: not found\n", b"/lab/other.sh: line 3: x: not found\n"):
        assert [one.status for one in judged(said, 0)] == [Status.PASS]


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"user": "root"}, "no user of a guest"),
        ({"user": 0}, "no user of a guest"),
        ({"user": True}, "no user of a guest"),
        ({"user": 65535}, "no user of a guest"),
        ({"output": "junit"}, "output"),
        ({"cwd": "/root"}, "cwd"),
        ({"timeout": 0}, "timeout"),
        ({"environment": {"A B": "c"}}, "environment"),
        ({"kind": "reproducer", "output": "tap"}, "programs of kind 'reproducer' take no output"),
    ],
)
def test_what_no_table_may_say(keys: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        table(**keys)


def test_another_user_has_a_folder_of_its_own() -> None:
    words = Scripts(Path("/p"), Manner(user="nobody", environment=(("A", "b"),))).command(
        "check.sh", "/mnt", "", ""
    )
    assert words[3:] == [
        "/mnt",
        "nobody",
        "65534",
        "env",
        "-u",
        "LAB_MARKS",
        "A=b",
        "/lab/check.sh",
    ]
