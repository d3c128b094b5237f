# SPDX-License-Identifier: GPL-2.0-only
"""A pattern that picks nothing is told before a guest boots; doubt is no refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UserError
from lab.suites.c_programs import CPrograms
from lab.suites.listing import refuse_pattern

#: What ktap.c does with -k and -l, for a pattern without a glob; run as a test, it would stay.
PROGRAM = """#!/bin/sh
case $# in
2) printf '%s\\n' mlock.shared-rw.4k mlock.shared-rw.2m ;;
4) printf '%s\\n' mlock.shared-rw.4k mlock.shared-rw.2m | grep -e "$3" || true ;;
esac
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "guest-tests").mkdir()
    (tmp_path / "guest-tests" / "mlock.c").write_text('#include "ktap.h"\n')
    binary = tmp_path / "mlock"
    binary.write_text(PROGRAM)
    binary.chmod(0o755)
    return binary


def refuse(pattern: str, root: Path, **files: Path | None) -> None:
    """None stands for a program that does not compile."""
    suite = CPrograms(root)
    there = {name: path for name, path in files.items() if path is not None}
    refuse_pattern(pattern, [(suite, name) for name in files], there)


def test_a_pattern_that_picks_a_test(program: Path) -> None:
    refuse("mlock.shared-rw.4k", program.parent, mlock=program)


def test_a_pattern_that_picks_none(program: Path) -> None:
    with pytest.raises(UserError, match=r"no test has a name like 'mlock\.shraed\*4k'") as caught:
        refuse("mlock.shraed*4k", program.parent, mlock=program)
    assert str(caught.value.hint).startswith("mlock.shared-rw.4k, ")


@pytest.mark.parametrize(
    ("pattern", "near"),
    [
        ("mlok", "mlock.shared-rw.4k, mlock.shared-rw.2m; `lab show -v` lists all names"),
        ("shraed", "mlock.shared-rw.4k, mlock.shared-rw.2m; `lab show -v` lists all names"),
        # Nothing that is only not as unlike as the rest.
        ("zzz", "`lab show -v` lists all names"),
    ],
)
def test_only_names_that_are_like_it_are_told(program: Path, pattern: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse(pattern, program.parent, mlock=program)
    assert caught.value.hint == near


def test_programs_that_cannot_be_asked(program: Path) -> None:
    """One that does not compile, one that may run its tests when asked, one that fails."""
    refuse("none", program.parent, mlock=program, broken=None)
    (program.parent / "guest-tests" / "own.c").write_text("int main(void) { return 0; }\n")
    refuse("none", program.parent, mlock=program, own=Path("/bin/false"))
    program.write_text("#!/bin/sh\nexit 3\n")
    refuse("none", program.parent, mlock=program)
