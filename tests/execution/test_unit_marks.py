# SPDX-License-Identifier: GPL-2.0-only
"""Which test ran before which of a guest's marks, and what a booted guest counted otherwise."""

from __future__ import annotations

from pathlib import Path

from lab.execution.cold_check import unlike
from lab.execution.unit_marks import UnitMarks, marked_tests
from lab.model.log_mark import program_mark
from lab.model.ran import Ran

MLOCK = Ran("ext4-dax", "mlock", "mlock")
CONSOLE = f"""\
[    0.100000] Linux version 6.1
[    1.000000] {program_mark("ext4-dax", "mlock", "mlock")}
[    1.100000] lab: test mlock.a begins
[    1.200000] something
[    1.300000] lab: test mlock.b begins
[    1.400000] lab: ran ext4-dax mlock/mlock
[    2.000000] {program_mark("ext4-dax", "ltp", "mlock01")}
[    2.100000] lab: ran ext4-dax ltp/mlock01
"""


def test_tests_are_read_program_by_program(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text(CONSOLE)
    assert marked_tests(console) == (("mlock.a", "mlock.b"), ())


def test_what_runs_before_a_mark_is_of_the_mark_before() -> None:
    # The program's own mark is the third of its guest, its end the sixth.
    assert UnitMarks(MLOCK, 2, 6).tests(("a", "b")) == {
        3: MLOCK,
        4: MLOCK._replace(test="a"),
        5: MLOCK._replace(test="b"),
    }


def test_a_program_that_died_has_no_mark_of_its_end() -> None:
    found = UnitMarks(MLOCK, 2, 5).tests(("a", "b"))
    assert found is not None
    assert found[5].test == "b"


def test_marks_that_names_do_not_account_for_tell_nothing() -> None:
    assert UnitMarks(MLOCK, 2, 8).tests(("a", "b")) is None
    assert UnitMarks(MLOCK, 2, 4).tests(("a", "b")) is None


def test_a_line_that_a_booted_guest_counts_otherwise() -> None:
    restored = {"mm/gup.c:5": {MLOCK: 2}, "mm/gup.c:6": {MLOCK: 1}}
    booted = {"mm/gup.c:5": {MLOCK: 2}, "mm/gup.c:6": {}}
    assert unlike(restored, booted) == ("mm/gup.c:6 ran 1 and 0 times in ext4-dax/mlock.mlock",)
    assert unlike(restored, restored) == ()
