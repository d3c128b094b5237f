# SPDX-License-Identifier: GPL-2.0-only
"""What a job makes of guests and programs that end otherwise than they should: no QEMU here."""

from __future__ import annotations

import pickle
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from lab.analysis.repeated import repeated
from lab.analysis.run_status import run_status
from lab.complaints.benign import Benign
from lab.config.model import Expectation, Fresh
from lab.errors import ExitStatus, InfrastructureError
from lab.execution.run_job import JobInterrupted, run_job
from lab.filesystems.filesystem import CannotMount
from lab.guest.command import CommandFlood, CommandResult, CommandTimeout
from lab.guest.fake import DEEDS, EXAMINED, MOUNTED, OOPS, PANIC, FakeGuest, Script, Stage
from lab.guest.guest import BootTimeout, GuestDied, Hang
from lab.guest.settings import read as read_changed
from lab.model.complaint import Kind
from lab.model.records import Evidence, JobRecord
from lab.model.status import Status
from lab.report.evidence import evidence_lines
from lab.report.table import print_run
from tests.execution.conftest import EXT4, XFS, MakeJob
from tests.execution.test_complaint_watch import WARN
from tests.results.made import run

P = {"p": Script(("a", "b"))}
#: What only the command has in it that a guest gets last.
LAST = "; dmesg"
LEFT = "\nlab: stays mounted: umount: can't unmount /mnt/ext4-dax: busy\nlab: held by: sleep[81]\n"
KEPT = Evidence(kernel_log_path="jobs/01/kernel.log")


def said(record: JobRecord) -> list[tuple[str, str, str]]:
    return [(one.filesystem, one.test, one.status.value) for one in record.results]


def dies(
    guest: FakeGuest, console: str = "", *, kernel: bool = True, gone: bool = True
) -> NoReturn:
    guest.says(console)
    raise guest.dies("", kernel=kernel, gone=gone)


def test_all_is_well(make_job: MakeJob, stage: Stage, tmp_path: Path) -> None:
    def log(guest: FakeGuest, _: str, __: float) -> CommandResult:
        return CommandResult(0, "the kernel's log\n", "", 0.0)

    stage.answers[LAST] = log
    record = run_job(make_job(P, settle_s=1.5))
    assert said(record) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "pass")]
    assert record.complaints == ()
    assert (tmp_path / "job/kernel.log").read_text() == "the kernel's log\n"
    assert (tmp_path / "job/ext4-dax/s.p.ktap").read_text().startswith("KTAP version 1\n")
    command, deadline = stage.asked[-1]
    assert command.endswith("\nleave; sleep 1.5; dmesg")
    assert deadline == 31.5
    assert record.evidence.left_mounted == ()
    (deadline,) = (deadline for command, deadline in stage.asked if "/lab/p" in command)
    assert deadline == 2.0
    evidence = record.evidence
    assert evidence.cmdline == "qemu"
    assert [use.units for use in evidence.guests] == [("ext4-dax/s.p",)]
    assert evidence.promises == (("ext4-dax", ("dax",)),)
    ((name, ((proof, said_of_it),)),) = evidence.proofs
    assert (name, proof) == ("ext4-dax", "dax")
    assert dict(said_of_it)["namespace"] == "fsdax"
    assert [name for name, _ in evidence.cost] == ["cpu_s"]
    assert run_status(run(record)) is ExitStatus.EXPECTED


def test_a_test_that_was_listed_and_did_not_run(make_job: MakeJob, stage: Stage) -> None:
    def lists(guest: FakeGuest, command: str, _: float) -> CommandResult:
        return CommandResult(0, "a\nghost\n\nb\n", "", 0.0)

    stage.answers["-l"] = lists
    record = run_job(make_job(P, fresh=Fresh.TEST))
    assert said(record) == [
        ("ext4-dax", "a", "pass"),
        ("ext4-dax", "ghost", "error"),
        ("ext4-dax", "b", "pass"),
    ]
    assert record.results[1].message == "was listed, and then did not run"
    assert run_status(run(record)) is ExitStatus.INFRASTRUCTURE
    # A guest that lists, and one for each test.
    assert len(stage.made) == 4
    assert stage.made[0].spec.folder.name == "list"


@pytest.mark.parametrize("listed", ["", "\n\n", "".join(f"{n}\n" for n in range(10_001))])
def test_a_program_that_lists_nothing_or_no_end_is_not_passed_over(
    make_job: MakeJob, stage: Stage, listed: str
) -> None:
    stage.answers["-l"] = lambda *_: CommandResult(0, listed, "", 0.0)
    record = run_job(make_job(P, fresh=Fresh.TEST))
    assert said(record) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "pass")]
    assert len(stage.made) == 2


def test_two_tests_of_a_program_with_one_name_are_no_repetition(make_job: MakeJob) -> None:
    script = {"p": Script(("a", "a", "a (2)", "b"))}
    # The last is the program's own: a report of KTAP has no name twice.
    names = ["a", "a (3)", "a (2)", "b", "p"]
    once = run_job(make_job(script))
    assert ([name for _, name, _ in said(once)], [*repeated(once)]) == (names, [])
    again = run_job(make_job(script, repeat=2))
    assert [one.first.test for one in repeated(again)] == names
    assert {len(one.results) for one in repeated(again)} == {2}


def test_a_program_without_a_selected_test_has_no_result(make_job: MakeJob, stage: Stage) -> None:
    stage.answers["-l"] = lambda *_: CommandResult(0, "", "", 0.0)
    assert run_job(make_job(P, fresh=Fresh.TEST, pattern="x*")).results == ()


def test_what_a_program_planned_and_does_not_list_is_counted(
    make_job: MakeJob, stage: Stage
) -> None:
    stage.answers[" -l"] = lambda *_: CommandResult(0, "a\nb\nd\n", "", 0.0)
    scripts = {"p": Script(("a", "b", "c", "d"), {"b": "panic"})}
    record = run_job(make_job(scripts))
    assert sorted(said(record)) == [
        ("ext4-dax", "a", "pass"),
        ("ext4-dax", "b", "crash"),
        ("ext4-dax", "d", "pass"),
        ("ext4-dax", "p (test 4 of 4)", "error"),
    ]
    assert sum(not one.ran for one in record.results) == 1


def test_a_program_that_cannot_list_runs_as_a_whole(make_job: MakeJob, stage: Stage) -> None:
    def fails(guest: FakeGuest, command: str, _: float) -> CommandResult:
        return CommandResult(1, "a\nb\n", "unknown option -l", 0.0)

    stage.answers["-l"] = fails
    record = run_job(make_job(P, fresh=Fresh.TEST))
    assert said(record) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "pass")]
    assert len(stage.made) == 2


def test_a_guest_that_cannot_list_costs_nothing(make_job: MakeJob, stage: Stage) -> None:
    stage.answers["-l"] = lambda guest, _, __: dies(guest)
    record = run_job(make_job(P, EXT4, XFS, fresh=Fresh.TEST))
    assert [status for _, _, status in said(record)] == ["pass"] * 4


@pytest.mark.parametrize(
    ("console", "kind"),
    [
        ("", Kind.SILENT_DEATH),
        ("reboot: Power down\n", Kind.REBOOT),
        ("Kernel panic - not syncing: Fatal\nKernel Offset: disabled\n", Kind.PANIC),
    ],
)
def test_a_guest_that_dies_while_it_unmounts(
    make_job: MakeJob, stage: Stage, tmp_path: Path, console: str, kind: Kind
) -> None:
    stage.answers[LAST] = lambda guest, _, __: dies(guest, console)
    record = run_job(make_job(P))
    assert [status for _, _, status in said(record)] == ["pass", "pass"]
    (noted,) = record.complaints
    assert (noted.complaint.kind, noted.complaint.fatal, noted.of_job) == (kind, True, True)
    assert run_status(run(record)) is ExitStatus.UNEXPECTED
    assert record.error is None
    assert not (tmp_path / "job/kernel.log").exists()


def never_ends(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
    raise CommandTimeout("still ran")


@pytest.mark.parametrize("who", [Hang.PROGRAM, Hang.GUEST])
def test_a_guest_that_hangs_while_it_unmounts(
    make_job: MakeJob, stage: Stage, tmp_path: Path, who: Hang
) -> None:
    stage.answers[LAST] = never_ends
    stage.who = who
    told: list[str] = []
    record = run_job(make_job(P, evidence=KEPT), on_word=told.append)
    assert [status for _, _, status in said(record)] == ["pass", "pass"]
    (noted,) = record.complaints
    assert (noted.complaint.kind, noted.of_job) == (Kind.HANG, True)
    assert noted.complaint.lines[0] == f"it was not done in 30 s; {EXAMINED[who]}"
    assert noted.complaint.lines[-1] == "lab: ran fs s/p"
    assert told == ["mine: the guest hung while its filesystems were unmounted"]
    assert run_status(run(record)) is ExitStatus.UNEXPECTED
    # There is no such file, and nothing names it.
    assert record.evidence.kernel_log_path == ""


def test_a_filesystem_that_stays_mounted_is_told(
    make_job: MakeJob, stage: Stage, tmp_path: Path
) -> None:
    """A program's process that lives on is no word on the kernel, and takes no pass away."""
    stage.answers[LAST] = lambda *_: CommandResult(0, "the kernel's log\n", LEFT, 0.0)
    told: list[str] = []
    record = run_job(make_job(P, evidence=KEPT), on_word=told.append)
    assert [status for _, _, status in said(record)] == ["pass", "pass"]
    assert (record.complaints, record.error) == ((), None)
    why = "umount: can't unmount /mnt/ext4-dax: busy; held by sleep[81]"
    assert record.evidence.left_mounted == ((".", why),)
    assert told == [f"mine: a filesystem could not be unmounted: {why}"]
    assert (tmp_path / "job/kernel.log").read_text() == "the kernel's log\n"
    assert run_status(run(record)) is ExitStatus.EXPECTED
    assert f"  {'stayed mounted':16} {why}" in list(evidence_lines(run(record)))
    shown = StringIO()
    print_run(run(record), Console(file=shown, width=200))
    assert why in shown.getvalue()


def test_a_program_leaves_what_was_proved_or_says_so(make_job: MakeJob, stage: Stage) -> None:
    """Init is told the device, the folder, and what was mounted at the proof."""
    line = "/dev/pmem0 /mnt/ext4-dax ext4 rw,dax 0 0; "
    said = CommandResult(0, f"{MOUNTED}mounted={line}\n", "", 0.0)
    stage.answers["dax-proof"] = lambda *_: said
    run_job(make_job(P))
    (command,) = (command for command, _ in stage.asked if "/lab/p" in command)
    _, _, after = command.partition("; status=$?; ")
    assert f" || /lab/init check /dev/pmem0 /mnt/ext4-dax '{line}' >&2; }} ||" in after


def test_what_stays_mounted_costs_the_next_filesystem_a_guest(
    make_job: MakeJob, stage: Stage
) -> None:
    def stays(guest: FakeGuest, _: str, __: float) -> CommandResult:
        ran = any("/lab/p" in command for command, _ in stage.asked)
        if guest is stage.made[0] and ran:
            return CommandResult(7, "", LEFT, 0.0)
        return CommandResult(0, MOUNTED, "", 0.0)

    stage.answers["dax-proof"] = stays
    told: list[str] = []
    record = run_job(make_job(P, EXT4, XFS), on_word=told.append)
    assert [status for _, _, status in said(record)] == ["pass"] * 4
    assert [use.units for use in record.evidence.guests] == [("ext4-dax/s.p",), ("xfs-dax/s.p",)]
    assert len(told) == 1


def test_a_device_that_nobody_can_have(make_job: MakeJob, stage: Stage) -> None:
    stage.answers["dax-proof"] = lambda *_: CommandResult(7, "", LEFT, 0.0)
    record = run_job(make_job(P, EXT4, XFS))
    assert [status for _, _, status in said(record)] == ["error", "error"]
    assert len(stage.made) == 1


@pytest.mark.parametrize("qemu", [True, False])
def test_a_kernel_log_that_cannot_be_had_is_told(
    make_job: MakeJob, stage: Stage, qemu: bool
) -> None:
    stage.answers[LAST] = never_ends if qemu else cut
    stage.who = Hang.QEMU
    record = run_job(make_job(P))
    assert [status for _, _, status in said(record)] == ["pass", "pass"]
    assert record.complaints == ()
    assert record.error is not None
    assert str(record.error).startswith("the kernel's log could not be had: ")
    assert run_status(run(record)) is ExitStatus.INFRASTRUCTURE


def cut(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
    dies(guest, kernel=False, gone=False)


def test_a_kernel_that_dies_while_its_log_is_read_is_no_error_of_ours(
    make_job: MakeJob, stage: Stage
) -> None:
    """It may be there still, as far as can be seen: its console says what became of it."""

    def panics(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        dies(guest, PANIC.format("late"), kernel=True, gone=False)

    stage.answers[LAST] = panics
    record = run_job(make_job(P))
    assert "the kernel's log could not be had" not in str(record.error)
    assert [str(noted.complaint) for noted in record.complaints] == ["panic: late"]
    assert run_status(run(record)) is ExitStatus.UNEXPECTED


def test_a_hang_is_told_once(make_job: MakeJob, stage: Stage) -> None:
    """Of a guest whose program hung nobody expects that it unmounts."""
    stage.answers["/lab/p"] = stage.answers[LAST] = never_ends
    timeout = Expectation(tests=("p",), status=Status.TIMEOUT, reason="it hangs")
    record = run_job(make_job(P, expect=(timeout,)))
    assert said(record) == [("ext4-dax", "p", "timeout")]
    assert record.complaints == ()
    assert run_status(run(record)) is ExitStatus.EXPECTED


def test_a_kernel_log_is_evidence(make_job: MakeJob) -> None:
    kept = run_job(make_job(P, evidence=replace(KEPT, cost=(("build_s", 3.0),)))).evidence
    assert kept.kernel_log_path == "jobs/01/kernel.log"
    assert [name for name, _ in kept.cost] == ["cpu_s", "build_s"]


def test_a_silent_death_is_a_crash_of_the_test(make_job: MakeJob, stage: Stage) -> None:
    def dies_in_b(guest: FakeGuest, command: str, _: float) -> CommandResult:
        guest.says("lab: run ext4-dax s/p\nlab: test a begins\nlab: test b begins\n")
        guest.printed = ["KTAP version 1\n1..2\nok 1 a\n"]
        dies(guest)

    stage.answers["/lab/p"] = dies_in_b
    record = run_job(make_job(P))
    assert said(record) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "crash")]
    assert "silent-death: the guest ended without a word" in record.results[1].message
    assert run_status(run(record)) is ExitStatus.UNEXPECTED


def test_a_connection_that_was_cut_is_ours(make_job: MakeJob, stage: Stage) -> None:
    def cut(guest: FakeGuest, command: str, _: float) -> CommandResult:
        guest.says("lab: run ext4-dax s/p\n")
        guest.printed = ["KTAP version 1\n1..2\nok 1 a\n"]
        dies(guest, kernel=False, gone=False)

    stage.answers["/lab/p"] = cut
    record = run_job(make_job(P))
    assert said(record)[0] == ("ext4-dax", "a", "pass")
    assert {status for _, _, status in said(record)[1:]} == {"error"}
    assert "ended without an exit status (the guest died)" in record.results[1].message
    assert run_status(run(record)) is ExitStatus.INFRASTRUCTURE


@pytest.mark.parametrize(
    ("who", "status"), [(Hang.PROGRAM, "timeout"), (Hang.GUEST, "timeout"), (Hang.QEMU, "error")]
)
def test_whose_a_hang_is(make_job: MakeJob, stage: Stage, who: Hang, status: str) -> None:
    def hangs(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        error = CommandTimeout("still ran")
        error.stdout = "KTAP version 1\n1..1\n"
        raise error

    stage.answers["/lab/p"] = hangs
    stage.who = who
    record = run_job(make_job(P, program_s=2.5))
    assert said(record)[0] == ("ext4-dax", "p", status)
    assert f"deadlines.program is 2.5 s; {EXAMINED[who]}" in record.results[0].message
    # One that does not answer is not asked for its log, and waited for once more.
    asked = any(LAST in command for command, _ in stage.asked)
    assert asked is (who is Hang.PROGRAM)


@pytest.mark.parametrize(("status", "stderr"), [(3, "no device\nmore\n"), (3, ""), (3, "x" * 999)])
def test_what_a_program_says_first_on_stderr(
    make_job: MakeJob, stage: Stage, status: int, stderr: str
) -> None:
    def complains(guest: FakeGuest, command: str, _: float) -> CommandResult:
        guest.says("lab: run ext4-dax s/p\nlab: ran ext4-dax s/p\n")
        return CommandResult(status, "KTAP version 1\n1..1\nok 1 a\n", stderr, 0.0)

    stage.answers["/lab/p"] = complains
    whole = run_job(make_job(P)).results[-1]
    first = f" ({stderr.partition(chr(10))[0][:200]})" if stderr else ""
    assert whole.message == f"exited with status 3 although no test failed{first}"
    assert (whole.test, whole.status, whole.as_expected) == ("p", Status.ERROR, False)


@pytest.mark.parametrize(
    ("fresh", "guests"),
    [
        (Fresh.JOB, [4]),
        (Fresh.FILESYSTEM, [2, 2]),
        (Fresh.PROGRAM, [1, 1, 1, 1]),
        (Fresh.TEST, [1, 1, 1, 1]),
    ],
)
def test_how_many_guests(make_job: MakeJob, fresh: Fresh, guests: list[int]) -> None:
    scripts = {"p": Script(("a",)), "q": Script(("b",))}
    record = run_job(make_job(scripts, EXT4, XFS, fresh=fresh))
    assert [len(use.units) for use in record.evidence.guests] == guests
    folders = [use.folder for use in record.evidence.guests]
    assert folders == [".", *(f"guest-{number}" for number in range(2, len(guests) + 1))]
    assert len(record.results) == 4


def test_a_filesystem_that_cannot_be_made_costs_no_other(make_job: MakeJob, stage: Stage) -> None:
    def refuses(guest: FakeGuest, command: str, _: float) -> CommandResult:
        return CommandResult(1, "", "mkfs.ext4: no\n", 0.0)

    stage.answers["mkfs.ext4"] = refuses
    record = run_job(make_job(P, EXT4, XFS))
    assert said(record) == [
        ("ext4-dax", "p", "error"),
        ("xfs-dax", "a", "pass"),
        ("xfs-dax", "b", "pass"),
    ]
    assert len(stage.made) == 1
    assert [name for name, _ in record.evidence.proofs] == ["xfs-dax"]


@pytest.mark.parametrize(
    ("text", "status", "guests"),
    [("panic", "crash", 2), ("qemu", "error", 2), ("hang", "timeout", 2), ("old", "skip", 1)],
)
def test_what_becomes_of_a_filesystem_that_cannot_be_set_up(
    make_job: MakeJob, stage: Stage, text: str, status: str, guests: int
) -> None:
    """It costs no other filesystem, which has a fresh guest where this one is lost."""

    def too_old(*_: object) -> NoReturn:
        raise CannotMount("this kernel does not mount it")

    def makes(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        {**DEEDS, "old": too_old}[text](guest, "", deadline_s)
        return guest.obey(command, deadline_s)

    stage.answers["mkfs.ext4"] = makes
    record = run_job(make_job(P, EXT4, XFS))
    assert said(record) == [
        ("ext4-dax", "p", status),
        ("xfs-dax", "a", "pass"),
        ("xfs-dax", "b", "pass"),
    ]
    assert len(stage.made) == guests


@pytest.mark.parametrize(
    ("error", "status"), [(BootTimeout, "timeout"), (GuestDied, "crash"), (CommandFlood, "error")]
)
def test_what_a_guest_that_does_not_come_up_is_worth(
    make_job: MakeJob, stage: Stage, error: type[InfrastructureError], status: str
) -> None:
    def opens(_: FakeGuest) -> None:
        raise error("it did not come up")

    stage.opens = opens
    record = run_job(make_job(P))
    assert said(record) == [("ext4-dax", "p", status)]


def test_what_a_kernel_complains_of_that_does_not_come_up(make_job: MakeJob, stage: Stage) -> None:
    def opens(guest: FakeGuest) -> None:
        guest.says(OOPS)
        raise BootTimeout("it did not come up")

    stage.opens = opens
    (noted,) = run_job(make_job(P)).complaints
    assert (noted.complaint.kind, noted.of_job) == (Kind.OOPS, True)


def test_tests_whose_guest_does_not_come_up_are_counted(make_job: MakeJob, stage: Stage) -> None:
    """What a death left was to run in it."""

    def opens(guest: FakeGuest) -> None:
        if len(stage.made) > 1:
            raise InfrastructureError("no memory")

    stage.opens = opens
    scripts = {"p": Script(("a", "b", "c", "d"), {"b": "panic"}), "q": Script(("x",))}
    record = run_job(make_job(scripts))
    assert [one.test for one in record.results] == [
        "a",
        "b",
        "p (test 3 of 4)",
        "p (test 4 of 4)",
        "q",
    ]
    assert [one.ran for one in record.results] == [True, True, False, False, True]
    assert record.results[-1].message == "no memory"


@pytest.mark.parametrize(("bad", "errors"), [(1, 4), (2, 1)])
def test_trouble_of_the_first_guest_is_that_of_all(
    make_job: MakeJob, stage: Stage, bad: int, errors: int
) -> None:
    """A later one has been shown to be able to: it costs what it was for."""

    def enter(_: FakeGuest) -> None:
        if len(stage.made) == bad:
            raise InfrastructureError("no memory", where=Path("qemu.log"), detail="a\nb")

    stage.opens = enter
    scripts = {"p": Script(("a",)), "q": Script(("b",))}
    record = run_job(make_job(scripts, EXT4, XFS, fresh=Fresh.PROGRAM))
    lost = [one for one in record.results if one.status is Status.ERROR]
    assert len(lost) == errors
    assert {one.message for one in lost} == {"no memory (qemu.log)"}
    assert lost[0].diagnostics == ("a", "b")
    assert len(record.results) == 4


def test_evidence_that_cannot_be_kept_is_no_result(
    make_job: MakeJob, stage: Stage, tmp_path: Path
) -> None:
    def in_the_way(guest: FakeGuest, command: str, _: float) -> CommandResult:
        (tmp_path / "job/ext4-dax").touch()
        return guest.obey(command, 30.0)

    stage.answers["/lab/p"] = in_the_way
    record = run_job(make_job({**P, "q": Script(("x",))}))
    assert said(record)[0] == ("ext4-dax", "p", "error")
    assert record.results[0].message.startswith("the evidence cannot be kept: ")
    assert record.results[0].message.endswith(f" ({tmp_path / 'job'})")
    assert {status for _, _, status in said(record)} == {"error"}


def test_a_pattern_reaches_the_program(make_job: MakeJob, stage: Stage) -> None:
    record = run_job(make_job(P, pattern="b*"))
    assert said(record) == [("ext4-dax", "b", "pass")]
    # What has none of the tests says nothing, and that is no error.
    assert run_job(make_job(P, pattern="z*")).results == ()
    (command, _) = next(one for one in stage.asked if "/lab/p" in one[0])
    assert "/lab/p /mnt/ext4-dax -k 'b*';" in command


def moves(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
    done = guest.obey(command, deadline_s)
    return replace(done, stderr="\nlab: mounted now: tmpfs /mnt\n")


def test_tests_that_left_something_else_mounted_run_again_alone(
    make_job: MakeJob, stage: Stage
) -> None:
    stage.answers["/lab/p /mnt/ext4-dax; "] = moves
    record = run_job(make_job(P))
    assert said(record) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "pass")]
    for one in record.results:
        (alone,) = one.diagnostics
        assert alone.endswith("p left something else mounted (tmpfs /mnt)")
    assert len(stage.made) == 2


def test_tests_that_cannot_run_again_alone_prove_nothing(make_job: MakeJob, stage: Stage) -> None:
    stage.answers["/lab/p /mnt/ext4-dax; "] = moves
    record = run_job(make_job({"p": Script(("a", "b"), marks=False)}))
    assert said(record) == [("ext4-dax", "a", "error"), ("ext4-dax", "b", "error")]
    assert record.results[0].message.endswith(": nothing proves that this ran on ext4-dax")


def changes(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
    done = guest.obey(command, deadline_s)
    return replace(done, stderr="warned\n\nlab: changed now: vm/overcommit_memory: 0 -> 2\n")


def test_who_leaves_the_guest_changed_is_told_and_the_next_has_a_fresh_one(
    make_job: MakeJob, stage: Stage
) -> None:
    stage.answers["/lab/p /mnt/ext4-dax; "] = changes
    record = run_job(make_job(P | {"q": Script(("c",)), "r": Script(("d",))}))
    statuses = [("ext4-dax", name, "pass") for name in ("a", "b", "c", "d")]
    assert said(record) == statuses
    note = "left the guest changed, what follows has a fresh one: vm/overcommit_memory: 0 -> 2"
    assert [one.diagnostics for one in record.results] == [(note,), (note,), (), ()]
    # q's guest is good for r.
    assert len(stage.made) == 2


@pytest.mark.parametrize("benign", [False, True])
def test_a_kernel_that_complained_once_is_asked_no_more(
    make_job: MakeJob, stage: Stage, benign: bool
) -> None:
    """WARN_ONCE(), KASAN and lockdep say nothing of what comes after: no pass there is earned."""

    def warns(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        guest.says("lab: run ext4-dax s/p\nlab: test a begins\n" + WARN)
        return guest.obey(command, deadline_s)

    stage.answers["/lab/p /mnt/ext4-dax"] = warns
    rules = (Benign.make("warning: WARNING in bar", "", "known"),) if benign else ()
    programs = P | {"q": Script(("c",)), "r": Script(("d",))}
    record = run_job(make_job(programs, benign=rules))
    assert [name for _, name, _ in said(record)] == ["a", "b", "c", "d"]
    # q's guest is good for r, and p's for both where nobody minds.
    assert len(stage.made) == (1 if benign else 2)


def test_what_is_told_of_a_guest_is_no_word_of_the_programs() -> None:
    """Its first line on stderr is the message of a program that failed."""
    told = "\nlab: changed now: vm/swappiness: 60 -> 1; still running: sleep[7]\n"
    assert read_changed(f"no room\n{told}") == (
        "no room\n",
        "vm/swappiness: 60 -> 1; still running: sleep[7]",
    )
    assert read_changed(told)[0] == ""
    assert read_changed("lab: changed now: by hand\n")[1] is None


def test_both_a_mount_and_a_setting_are_seen(make_job: MakeJob, stage: Stage) -> None:
    def both(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        done = guest.obey(command, deadline_s)
        said = "\nlab: changed now: vm/swappiness: 60 -> 1\n\nlab: mounted now: tmpfs /mnt\n"
        return replace(done, stderr=said)

    stage.answers["/lab/p /mnt/ext4-dax; "] = both
    record = run_job(make_job({"p": Script(("a", "b"), marks=False)}))
    assert said(record) == [("ext4-dax", "a", "error"), ("ext4-dax", "b", "error")]
    assert all("vm/swappiness: 60 -> 1" in one.diagnostics[-1] for one in record.results)
    assert "tmpfs /mnt" in record.results[0].message


def test_a_guest_that_is_as_it_was_is_good_for_more(make_job: MakeJob, stage: Stage) -> None:
    record = run_job(make_job(P | {"q": Script(("c",))}))
    assert all(not one.diagnostics for one in record.results)
    assert len(stage.made) == 1
    asked = [command for command, _ in stage.asked if "/lab/p /mnt" in command]
    assert all("/lab/init check /dev/pmem0 /mnt/" in command for command in asked)
    kept = [command for command, _ in stage.asked if command.startswith("/lab/init keep\n")]
    assert len(kept) == 1


def test_a_listing_that_kills_its_guest_lists_no_test_twice(
    make_job: MakeJob, stage: Stage
) -> None:
    def lists(guest: FakeGuest, command: str, _: float) -> CommandResult:
        if "/lab/q" in command:
            raise CommandTimeout("it does not know -l, and hangs")
        return CommandResult(0, "a\nb\n", "", 0.0)

    stage.answers[" -l"] = lists
    scripts = {**P, "q": Script(("x",))}
    record = run_job(make_job(scripts, fresh=Fresh.TEST))
    assert said(record) == [("ext4-dax", name, "pass") for name in ("a", "b", "x")]


def test_a_report_is_no_list_of_tests(make_job: MakeJob) -> None:
    scripts = {"p": Script(("a", "b"), lists=False)}
    record = run_job(make_job(scripts, fresh=Fresh.TEST))
    assert said(record) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "pass")]


def test_what_becomes_of_a_program_with_one_test_is_that_tests(make_job: MakeJob) -> None:
    """Each has its own: no two results have the program's name."""
    scripts = {"p": Script(("a", "b", "c"), {"a": "bail", "b": "bail"})}
    record = run_job(make_job(scripts, fresh=Fresh.TEST))
    assert said(record) == [
        ("ext4-dax", "a", "error"),
        ("ext4-dax", "b", "error"),
        ("ext4-dax", "c", "pass"),
    ]
    assert "bailed out: no disk" in record.results[0].message


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("fresh", list(Fresh))
def test_no_guest_is_left(make_job: MakeJob, stage: Stage, fresh: Fresh, prefetch: bool) -> None:
    """Nor is one started that nobody needs, and all results are there once."""
    scripts = {"p": Script(("a", "b", "c"), {"b": "panic"}), "q": Script(("x",))}
    record = run_job(make_job(scripts, EXT4, XFS, fresh=fresh, prefetch=prefetch))
    wanted = {"a": "pass", "b": "crash", "c": "pass", "x": "pass"}
    assert sorted(said(record)) == sorted(
        (name, test, status) for name in ("ext4-dax", "xfs-dax") for test, status in wanted.items()
    )
    assert all(guest.closed for guest in stage.made)
    used = len(record.evidence.guests) + (fresh is Fresh.TEST)
    # After a death the next filesystem's guest may be on its way, and is had later.
    assert len(stage.made) == used
    assert all(use.units for use in record.evidence.guests)


def test_guests_that_start_while_others_work_are_each_for_their_units(
    make_job: MakeJob, stage: Stage
) -> None:
    scripts = {"p": Script(("a",)), "q": Script(("b",))}
    record = run_job(make_job(scripts, EXT4, XFS, fresh=Fresh.PROGRAM, prefetch=True))
    assert [use.units for use in record.evidence.guests] == [
        ("ext4-dax/s.p",),
        ("ext4-dax/s.q",),
        ("xfs-dax/s.p",),
        ("xfs-dax/s.q",),
    ]
    mounted = [command for command, _ in stage.asked if "mkfs." in command]
    assert len(mounted) == len(stage.made) == 4


@pytest.mark.parametrize(("prefetch", "guests"), [(False, 1), (True, 2)])
def test_the_next_guest_is_on_its_way_while_a_program_runs(
    make_job: MakeJob, stage: Stage, prefetch: bool, guests: int
) -> None:
    """Where there is memory for two."""
    made: list[int] = []

    def runs(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        made.append(len(stage.made))
        return guest.obey(command, deadline_s)

    stage.answers["/lab/p"] = runs
    run_job(make_job({**P, "q": Script(("x",))}, fresh=Fresh.PROGRAM, prefetch=prefetch))
    assert made == [guests]


def test_a_guest_that_a_listing_killed_runs_nothing_more(make_job: MakeJob, stage: Stage) -> None:
    stage.answers[" -l"] = lambda guest, _, __: dies(guest)
    scripts = {"p": Script(("a", "b", "c"), {"a": "panic"}), "q": Script(("x",))}
    record = run_job(make_job(scripts))
    assert said(record) == [
        ("ext4-dax", "a", "crash"),
        ("ext4-dax", "p (test 2 of 3)", "error"),
        ("ext4-dax", "p (test 3 of 3)", "error"),
        ("ext4-dax", "x", "pass"),
    ]
    assert len(stage.made) == 3


@pytest.mark.parametrize(
    ("deed", "status", "why", "guests"),
    [
        ("panic", "crash", "Kernel panic - not syncing: boom", 2),
        ("reboot", "crash", "reboot: the guest rebooted", 2),
        ("vanish", "crash", "silent-death: the guest ended without a word", 2),
        ("qemu", "error", "QEMU ended with status 137", 2),
        ("cut", "error", "the SSH connection was cut", 2),
        ("flood", "error", "it printed more than 32 MiB", 2),
        ("hang", "timeout", "deadlines.program is 2 s; the guest still answers", 2),
        ("oops", "crash", "NULL pointer dereference", 1),
        ("fail", "fail", "", 1),
    ],
)
def test_what_becomes_of_a_test_and_of_those_after_it(
    make_job: MakeJob, stage: Stage, deed: str, status: str, why: str, guests: int
) -> None:
    script = Script(("a", "b", "c"), {"b": deed})
    record = run_job(make_job({"p": script}, stall_s=9.0))
    assert said(record) == [
        ("ext4-dax", "a", "pass"),
        ("ext4-dax", "b", status),
        ("ext4-dax", "c", "pass"),
    ]
    assert why in record.results[1].message
    # Who knows why it ended has no need to say that nobody does.
    riddle = "without an exit status" in record.results[1].message
    assert riddle is (deed in {"qemu", "cut", "flood"})
    assert (len(stage.made), script.ran) == (guests, ["a", "b", "c"])
    assert record.error is None


@pytest.mark.parametrize("where", ["console", "log"])
def test_what_the_kernel_complains_of_while_it_unmounts(
    make_job: MakeJob, stage: Stage, where: str
) -> None:
    """No test's, and no success: the log has what the console's level kept off it."""

    def unmounts(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        (guest.says if where == "console" else guest.logs)(OOPS)
        return guest.obey(command, deadline_s)

    stage.answers[LAST] = unmounts
    record = run_job(make_job(P))
    assert [status for _, _, status in said(record)] == ["pass", "pass"]
    (noted,) = record.complaints
    assert (noted.complaint.kind, noted.of_job) == (Kind.OOPS, True)
    assert run_status(run(record)) is ExitStatus.UNEXPECTED


def test_a_complaint_of_the_boot_is_the_jobs(make_job: MakeJob, stage: Stage) -> None:
    """Each of its guests has it, and it is told once."""
    stage.opens = lambda guest: guest.says(OOPS)
    record = run_job(make_job({"p": Script(("a",)), "q": Script(("b",))}, fresh=Fresh.PROGRAM))
    (noted,) = record.complaints
    assert (noted.of_job, noted.test) == (True, "")
    assert [status for _, _, status in said(record)] == ["pass", "pass"]


def interrupts(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
    raise KeyboardInterrupt


@pytest.mark.parametrize("text", ["mkfs.ext4", LAST])
def test_an_interrupt_beside_programs_loses_no_result(
    make_job: MakeJob, stage: Stage, text: str
) -> None:
    stage.answers[text] = interrupts
    scripts = {**P, "q": Script(("x",))}
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job(scripts, EXT4, XFS, fresh=Fresh.FILESYSTEM, prefetch=True))
    record = stop.value.record
    assert record.interrupted
    before = text == "mkfs.ext4"
    unrun = [(one.filesystem, one.test) for one in record.results if not one.ran]
    left = [("xfs-dax", "p"), ("xfs-dax", "q")]
    assert unrun == ([("ext4-dax", "p"), ("ext4-dax", "q"), *left] if before else left)
    assert all(guest.closed for guest in stage.made)


def test_an_interrupt_while_tests_are_listed_loses_no_result(
    make_job: MakeJob, stage: Stage
) -> None:
    """Neither of programs that are to run a test at a time, nor of what a death left."""
    stage.answers[" -l"] = interrupts
    for fresh, scripts in (
        (Fresh.TEST, {"p": Script(("a", "b")), "q": Script(("x",))}),
        (Fresh.JOB, {"p": Script(("a", "b", "c"), {"a": "panic"}), "q": Script(("x",))}),
    ):
        stage.scripts.clear()
        with pytest.raises(JobInterrupted) as stop:
            run_job(make_job(scripts, fresh=fresh))
        unrun = [one.test for one in stop.value.record.results if not one.ran]
        left = ["p"] if fresh is Fresh.TEST else ["p (test 2 of 3)", "p (test 3 of 3)"]
        assert unrun == [*left, "q"]


def test_max_fail_counts_over_guests(make_job: MakeJob, stage: Stage) -> None:
    scripts = {name: Script((name,), {name: "fail"}) for name in ("p", "q", "r")}
    record = run_job(make_job(scripts, fresh=Fresh.PROGRAM, prefetch=True, max_fail=2))
    assert said(record) == [
        ("ext4-dax", "p", "fail"),
        ("ext4-dax", "q", "fail"),
        ("ext4-dax", "r", "error"),
    ]
    assert record.results[2].message.startswith("did not run: enough results")
    assert all(guest.closed for guest in stage.made)


def test_a_job_goes_to_another_process(make_job: MakeJob) -> None:
    job = pickle.loads(pickle.dumps(make_job(P)))
    assert said(run_job(job)) == [("ext4-dax", "a", "pass"), ("ext4-dax", "b", "pass")]


def test_a_signal_that_comes_while_the_record_is_made_interrupts_the_job(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = [KeyboardInterrupt()]

    def cpu_seconds() -> float:
        if stops:
            raise stops.pop()
        return 1.0

    monkeypatch.setattr("lab.execution.run_job.spent_s", cpu_seconds)
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job({"p": Script(("a",))}))
    assert [one.test for one in stop.value.record.results] == ["a"]
