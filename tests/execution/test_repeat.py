# SPDX-License-Identifier: GPL-2.0-only
"""A job that is repeated: what it records, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lab.analysis.repeated import pooled
from lab.analysis.run_status import run_status
from lab.config.model import Expectation, Fresh
from lab.errors import ExitStatus
from lab.execution.run_job import JobInterrupted, run_job
from lab.filesystems.set_up import command as set_up_command
from lab.guest.command import CommandResult
from lab.guest.fake import MOUNTED, FakeGuest, Script, Stage
from lab.guest.guest import GuestDied
from lab.model.records import JobRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.report.table import print_run
from tests.execution.conftest import EXT4, XFS, MakeJob
from tests.results.made import run


def seldom(stage: Stage, *repetitions: int, what: str = "fail") -> None:
    """Have test b of program p end so in these guests, counted from 1."""

    def begins(guest: FakeGuest) -> None:
        odd = len(stage.made) in repetitions
        stage.scripts["p"].does = {"b": what} if odd else {}

    stage.opens = begins


def ends(record: JobRecord, test: str) -> list[str]:
    return [one.status.value for one in record.results if one.test == test]


def table(record: JobRecord) -> str:
    console = Console(file=StringIO(), width=100)
    print_run(run(record), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_each_repetition_has_guests_of_its_own(
    make_job: MakeJob, stage: Stage, tmp_path: Path
) -> None:
    job = make_job({"p": Script(("a", "b"))}, EXT4, XFS, repeat=3, fresh=Fresh.FILESYSTEM)
    record = run_job(job)
    assert len(stage.made) == 6
    assert ends(record, "a") == ["pass"] * 6
    assert [use.units for use in record.evidence.guests] == [
        (f"{name}-dax/s.p",) for name in ("ext4", "xfs") * 3
    ]
    # What each printed stays.
    assert {path.name for path in (tmp_path / "job/xfs-dax").iterdir()} == {
        "s.p.ktap", "s.p.repetition-2.ktap", "s.p.repetition-3.ktap"
    }  # fmt: skip
    assert [one.diagnostics for one in record.results] == [()] * 12
    assert run_status(run(record)) is ExitStatus.EXPECTED


def test_one_that_passed_most_times_has_not_passed(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 2, 4)
    record = run_job(make_job({"p": Script(("a", "b"))}, repeat=5))
    assert ends(record, "b") == ["pass", "fail", "pass", "fail", "pass"]
    (job,) = pooled(run(record)).jobs
    assert [(one.test, one.status, one.message) for one in job.results] == [
        ("a", Status.PASS, ""),
        ("b", Status.FAIL, "2 of 5"),
    ]
    assert run_status(run(record)) is ExitStatus.UNEXPECTED
    said = table(record)
    assert "ext4-dax                 1     1" in said
    assert "3/5 [23.1%, 88.2%]" in said
    assert "5/5 [56.6%, 100%]" in said
    assert "fail: repetition 2 of 5: guest-2/console.log" in said
    assert "fail: repetition 4 of 5: guest-4/console.log" in said


def test_one_lucky_pass_is_no_failure_as_expected(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 1, 2, 3, 5)
    expect = (Expectation(tests=("b",), status=Status.FAIL, reason="known"),)
    record = run_job(make_job({"p": Script(("a", "b"))}, repeat=5, expect=expect))
    (_, told) = pooled(run(record)).jobs[0].results
    assert (told.status, told.message) == (Status.PASS, "1 of 5")
    assert run_status(run(record)) is ExitStatus.UNEXPECTED
    assert "pass: repetition 4 of 5: guest-4/console.log" in table(record)


def test_until_one_is_not_as_expected(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 3)
    record = run_job(make_job({"p": Script(("a", "b"))}, repeat=1000, max_fail=1))
    assert len(stage.made) == 3
    assert ends(record, "b") == ["pass", "pass", "fail"]
    *_, left = record.results
    assert (left.test, left.unrun) == ("p", Unrun.ENOUGH)
    assert left.message == (
        "did not run: a result was not as expected (--until-fail, --max-fail) "
        "(repetitions 4 to 1000)"
    )
    assert len(record.results) == 7
    assert run_status(run(record)) is ExitStatus.UNEXPECTED


def test_an_interrupt_keeps_what_ran(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 4, what="interrupt")
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job({"p": Script(("a", "b"))}, repeat=9))
    record = stop.value.record
    assert ends(record, "b") == ["pass"] * 3
    assert ends(record, "a") == ["pass"] * 4
    left = [(one.test, one.message) for one in record.results if not one.ran]
    assert left == [
        ("p (test 2 of 2)", "did not run: interrupted"),
        ("p", "did not run: interrupted (repetitions 5 to 9)"),
    ]
    assert record.interrupted


def test_a_hang_is_counted_and_ends_nothing(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 1, 2, 3, what="hang")
    record = run_job(make_job({"p": Script(("a", "b"))}, repeat=4, program_s=0.1))
    assert ends(record, "b") == ["timeout", "timeout", "timeout", "pass"]


def test_a_guest_that_dies_costs_its_repetition(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 2, what="panic")
    record = run_job(make_job({"p": Script(("a", "b", "c"))}, repeat=3))
    assert ends(record, "b") == ["pass", "crash", "pass"]
    assert ends(record, "c") == ["pass"] * 3
    # That which ran after the death, in a guest more, is of the same repetition.
    assert len(stage.made) == 4


def test_a_first_guest_that_never_comes_is_told_once(make_job: MakeJob, stage: Stage) -> None:
    def fails(guest: FakeGuest) -> None:
        raise GuestDied("no such machine")

    stage.opens = fails
    record = run_job(make_job({"p": Script(("a",)), "q": Script(("c",))}, repeat=50))
    assert len(stage.made) == 1
    assert [one.test for one in record.results] == ["p", "q"]


def test_an_error_of_the_labs_is_no_time_that_it_ran(make_job: MakeJob, stage: Stage) -> None:
    seldom(stage, 2, what="qemu")
    record = run_job(make_job({"p": Script(("a", "b"))}, repeat=3))
    (_, told) = pooled(run(record)).jobs[0].results
    assert (told.status, told.message[:8]) == (Status.ERROR, "1 of 3: ")
    assert "2/2 [34.2%, 100%], 1 error of the lab" in table(record)
    assert run_status(run(record)) is ExitStatus.INFRASTRUCTURE


def test_an_interrupt_while_it_is_said_what_did_not_run_loses_nothing(
    make_job: MakeJob, stage: Stage
) -> None:
    """Another job's failure may end this one at any moment."""
    told: list[str] = []

    def tell(result: TestResult) -> None:
        told.append(result.test)
        if not result.ran and len(told) == 2:
            raise KeyboardInterrupt

    scripts = {name: Script((f"{name}1",), {"p1": "fail"}) for name in "pqrs"}
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job(scripts, max_fail=1), tell)
    assert {one.program for one in stop.value.record.results} == set("pqrs")


def set_ups(stage: Stage) -> int:
    """How often a filesystem was made and mounted."""
    return sum(command == set_up_command(EXT4) for command, _ in stage.asked)


def ahead(guest: FakeGuest) -> CommandResult:
    """What a saved state has of it."""
    guest.state = "state"
    return CommandResult(0, MOUNTED, "", 0.0)


@pytest.mark.parametrize(("repeat", "times"), [(7, 7), (8, 0)])
def test_of_many_each_starts_with_its_filesystem_mounted(
    make_job: MakeJob, stage: Stage, repeat: int, times: int
) -> None:
    stage.readied = ahead
    record = run_job(make_job({"p": Script(("a",))}, EXT4, repeat=repeat))
    assert ends(record, "a") == ["pass"] * repeat
    assert set_ups(stage) == times
    assert dict(record.evidence.proofs)["ext4-dax"]


def test_a_state_that_proves_nothing_is_none(make_job: MakeJob, stage: Stage) -> None:
    def unproved(guest: FakeGuest) -> CommandResult:
        return replace(ahead(guest), stdout="")

    stage.readied = unproved
    record = run_job(make_job({"p": Script(("a",))}, EXT4, repeat=8))
    assert ends(record, "a") == ["pass"] * 8
    assert set_ups(stage) == 8


@pytest.mark.parametrize("dies", [False, True])
def test_what_cannot_be_mounted_ahead_is_told_of_the_guest_it_failed_in(
    make_job: MakeJob, stage: Stage, dies: bool
) -> None:
    """And the next ones are not booted for such a state in vain."""

    def fails(guest: FakeGuest) -> CommandResult:
        if dies:
            raise guest.dies("Kernel panic - not syncing: mount")
        return CommandResult(9, "", "mkfs: no\n", 0.0)

    stage.readied = fails
    record = run_job(make_job({"p": Script(("a",))}, EXT4, repeat=9))
    assert ends(record, "p") == ["crash" if dies else "error"]
    assert ends(record, "a") == ["pass"] * 8
    assert set_ups(stage) == 8
    assert [guest.spec.ready != "" for guest in stage.made] == [True] + [False] * 8
    assert bool(record.complaints) == dies
