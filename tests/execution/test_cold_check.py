# SPDX-License-Identifier: GPL-2.0-only
"""When what a booted guest counted is a check of what restored ones did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.errors import InfrastructureError
from lab.execution.cold_check import Booted, ColdCheck, ColdGuest, Compared, LineCounts, checked
from lab.execution.job import Job
from lab.execution.line_counting import _as_found, _asked, _Counted, _ends, _Side, _telling
from lab.guest.fake import Script
from lab.model.ran import Ran
from lab.model.records import GuestUse
from lab.model.status import Status
from lab.results import JobFolder
from tests.execution.conftest import MakeJob
from tests.execution.test_line_counting import PROBES
from tests.results.made import EVIDENCE, job, result

MLOCK = Ran("ext4-dax", "mlock", "mlock")
GOOD = MLOCK._replace(test="good")
OTHER = Ran("ext4-dax", "populate", "populate")
ONE: LineCounts = {"mm/gup.c:5": {GOOD: 2}, "mm/gup.c:6": {}}
OUTSIDE = ("mm/gup.c:6",)
STILL: LineCounts = {"mm/gup.c:5": {}, "mm/gup.c:6": {}}


@dataclass(frozen=True)
class Guest(ColdGuest):
    """One whose job is given."""

    made: Job | None = None

    def _job(self, folder: JobFolder) -> Job:
        assert self.made is not None
        return self.made


def guest(folder: Path, made: Job | None = None) -> Guest:
    built = cast("Any", SimpleNamespace(folder=folder))
    return Guest(cast("Any", None), cast("Any", None), built, folder, made)


def check(folder: Path, restored: LineCounts, *booted: LineCounts) -> ColdCheck:
    """The last one is what each guest more that is booted counts."""
    guests = [Booted(lines, OUTSIDE) for lines in booted]
    compared = Compared((MLOCK,), restored, 2)
    return checked(
        guest(folder), "asked", compared, lambda number: guests[min(number, len(guests)) - 1]
    )


def test_what_both_counted_alike_is_kept(tmp_path: Path) -> None:
    assert check(tmp_path, ONE, ONE) == ColdCheck(MLOCK.unit, 1, (), OUTSIDE, 2)
    assert guest(tmp_path).known("asked") == ColdCheck(MLOCK.unit, 1, (), OUTSIDE, 2)


def test_lines_that_ran_in_neither_are_no_check(tmp_path: Path) -> None:
    assert check(tmp_path, STILL, STILL) == ColdCheck(MLOCK.unit, 0, (), OUTSIDE, 2)
    assert guest(tmp_path).known("asked") is None


@pytest.mark.parametrize(("restored", "booted"), [(ONE, STILL), (STILL, ONE)])
def test_what_one_counted_alone_is_told_and_looked_at_anew(
    tmp_path: Path, restored: LineCounts, booted: LineCounts
) -> None:
    assert check(tmp_path, restored, booted).unlike
    assert guest(tmp_path).known("asked") is None


def test_what_no_two_booted_guests_count_alike_shows_nothing_and_is_told(tmp_path: Path) -> None:
    noisy = {"x86/clear.S:3": {GOOD: 7}}
    two = {**ONE, "x86/clear.S:3": {GOOD: 9}}
    found = check(tmp_path, {**ONE, "x86/clear.S:3": {GOOD: 8}}, {**ONE, **noisy}, two)
    assert found == ColdCheck(MLOCK.unit, 1, (), OUTSIDE, 2, ("x86/clear.S:3",))
    assert "x86/clear.S:3" in found.doubt
    assert guest(tmp_path).known("asked") == found


def test_a_line_is_not_excused_by_another(tmp_path: Path) -> None:
    three = {"mm/gup.c:5": {GOOD: 3}, "x86/clear.S:3": {GOOD: 7}}
    found = check(
        tmp_path, {**ONE, "x86/clear.S:3": {GOOD: 8}}, three, {**three, "x86/clear.S:3": {GOOD: 9}}
    )
    assert found.unlike == ("mm/gup.c:5 ran 2 and 3 times in ext4-dax/mlock.mlock.good",)
    assert guest(tmp_path).known("asked") is None


def test_where_all_is_unsteady_nothing_was_compared(tmp_path: Path) -> None:
    found = check(tmp_path, ONE, {"mm/gup.c:5": {GOOD: 3}}, {"mm/gup.c:5": {GOOD: 4}})
    assert (found.compared, found.unlike) == (0, ())
    assert guest(tmp_path).known("asked") is None


def test_a_note_that_does_not_say_what_ran_is_none(tmp_path: Path) -> None:
    note = '{"asked": {"unit": "ext4-dax/mlock.mlock", "lines": 8, "unlike": []}}'
    (tmp_path / "counted-cold.json").write_text(note)
    assert guest(tmp_path).known("asked") is None


def test_what_cannot_be_kept_was_found_out_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "counted-cold.json").mkdir()
    assert check(tmp_path, ONE, ONE).compared == 1


def test_an_interrupt_of_it_is_that_of_the_command(make_job: MakeJob, tmp_path: Path) -> None:
    made = make_job({"p": Script(("a", "b"), {"b": "interrupt"})})
    with pytest.raises(KeyboardInterrupt):
        guest(tmp_path, made).run((Ran("ext4-dax", "s", "p"),), tmp_path)


def counted(**counts: dict[Ran, int]) -> _Counted:
    class Lines(_Counted):
        def lines_of(self, ran: Ran) -> LineCounts:
            return {
                line: {test: n for test, n in found.items() if test[:3] == ran[:3]}
                for line, found in counts.items()
            }

    return Lines(_Side({}, PROBES), {}, frozenset(), (), True)


def test_a_program_that_tested_nothing_is_not_compared() -> None:
    use = GuestUse(".", "state", (), ran=(OTHER, MLOCK))
    done = job(result("good", program="mlock"))
    done = replace(done, evidence=replace(EVIDENCE, guests=(use,)))
    # Beginning and ending it came to more lines than the tests did.
    found = counted(a={OTHER: 1, GOOD: 3}, b={OTHER: 1})
    assert _telling(found, done) == ((MLOCK,), 1)
    with pytest.raises(InfrastructureError, match="no program has a result"):
        _telling(found, replace(done, results=()))


def test_what_one_program_leaves_out_others_are_compared_for() -> None:
    third, fourth = OTHER._replace(program="third"), OTHER._replace(program="fourth")
    ran = (OTHER, MLOCK, third, fourth)
    use = GuestUse(".", "state", (), ran=ran)
    results = [replace(result("good"), program=one.program, suite=one.suite) for one in ran]
    done = replace(job(*results), evidence=replace(EVIDENCE, guests=(use,)))
    found = counted(
        a={GOOD: 3, third: 1}, b={GOOD: 1}, c={third: 1}, d={fourth: 2, third: 1}, e={OTHER: 1}
    )
    assert _telling(found, done) == ((third, OTHER, MLOCK), 5)


def test_what_is_said_of_a_check() -> None:
    def found(**more: Any) -> _Counted:
        check = replace(ColdCheck("mlock", 1, (), (), 2), **more)
        return _as_found(counted(), check, "6.1")

    assert found().checks == ("6.1: a guest that was booted counts the same: "
                              "1 of the 2 lines that ran, in mlock",)  # fmt: skip
    assert (found().whole, found().notes) == (True, ())
    assert found(compared=0).checks == ()
    assert "no line ran" in found(compared=0).notes[0]
    assert "no two guests" in found(unsteady=("a:1",)).notes[0]
    assert found(unsteady=("a:1",)).whole
    odd = found(unlike=("b:2 ran 1 and 2 times",))
    assert (odd.whole, odd.checks) == (False, ())
    assert "b:2" in odd.notes[0]


def test_the_ends_of_one_test_that_ran_alone_are_its_own() -> None:
    done = job(result("good", program="mlock"), result("bad", Status.FAIL, program="mlock"))
    assert _ends(done, MLOCK) == {("good", Status.PASS), ("bad", Status.FAIL)}
    assert _ends(done, GOOD) == {("good", Status.PASS)}


def test_another_qemu_or_other_means_are_checked_anew() -> None:
    side = _Side({}, PROBES)
    newer = replace(EVIDENCE, qemu_version="10.0.2")
    assert _asked(side, job(), "log") == _asked(side, job(), "log")
    assert _asked(side, job(), "log") != _asked(side, replace(job(), evidence=newer), "log")
    assert _asked(side, job(), "log") != _asked(side, job(), "plugin")
