# SPDX-License-Identifier: GPL-2.0-only
"""A program is run by a shell that stays as it is by one of its own."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from lab.suites.manner import Manner

_SAYS = """\
#!/bin/sh
echo "here: $(pwd)"
echo "arguments: $# $1 $2"
echo "set: $ONE|$TWO|$HIDDEN"
echo "input: $(cat)"
echo "an error" >&2
exit ${1:-0}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "says"
    path.write_text(_SAYS)
    path.chmod(0o755)
    return path


def ran(shell: str) -> tuple[str, str, int]:
    # What is typed is not the program's.
    done = subprocess.run(
        ["sh", "-c", f'{shell}; status=$?; pwd; echo "$ONE"; exit $status'],
        capture_output=True,
        text=True,
        input="typed",
        cwd="/",
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("status", ["0", "7"])
def test_both_shells_run_it_alike(
    program: Path, tmp_path: Path, status: str, *, merged: bool
) -> None:
    mount = tmp_path / "a mount"
    mount.mkdir()
    manner = Manner(environment=(("ONE", "{mount}/one two"), ("TWO", "$(id)'s")))
    words = [str(program), status, "b c"]
    ours = ran(manner.shell(words, str(mount), merged=merged))
    theirs = ran(shlex.join(manner.command(words, str(mount), merged=merged)))
    assert ours == theirs
    said, errors, code = ours
    assert f"here: {mount}\narguments: 2 {status} b c\n" in said
    assert f"set: {mount}/one two|$(id)'s|\ninput: \n" in said
    assert ("an error" in said, "an error" in errors) == (merged, not merged)
    assert code == int(status)
    # What was set, and where it was, is over with it.
    assert said.endswith("/\n\n")


def test_a_folder_that_is_not_there(program: Path, tmp_path: Path) -> None:
    said, errors, code = ran(Manner().shell([str(program)], str(tmp_path / "none"), merged=False))
    assert (said, code) == ("/\n\n", 126)
    assert "none" in errors


def test_a_signal_is_a_status(tmp_path: Path) -> None:
    shell = Manner().shell(["sh", "-c", "kill -SEGV $$"], str(tmp_path), merged=False)
    assert ran(shell)[2] == 128 + 11


@pytest.mark.parametrize(
    "manner",
    [
        Manner(user="nobody", environment=(("A", "b"),)),
        Manner(image="debian"),
        Manner(environment=(("NO.NAME-OF-A-SHELL", "1"),)),
    ],
)
def test_what_a_shell_cannot_do_itself_has_its_own(manner: Manner) -> None:
    words = ["/lab/p", "a b"]
    shell = manner.shell(words, "/mnt", merged=True)
    assert shell == shlex.join(manner.command(words, "/mnt", merged=True))
