# SPDX-License-Identifier: GPL-2.0-only
"""Guests whose kernels really complain, and what becomes of their jobs.

The kernel is the distribution's with tests/complaints/series/complain: a write to /proc/complain
makes it oops, warn, or fault thrice.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.complaints.benign import Benign
from lab.config.model import Expectation
from lab.execution.job import Job
from lab.execution.run_job import run_job
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.qemu.guest import QemuSpec
from lab.model.complaint import Kind
from lab.model.records import Evidence, JobRecord, PlacedComplaint
from lab.model.status import Status
from lab.suites.c_compiler import compile_programs
from tests.complaints.collect import EATER, project
from tests.execution.conftest import KTAP
from tests.guest.conftest import KERNEL, ROOT, own_spec, spec_of
from tests.guest.jobs import qemu, signal_for_qemu
from tests.guest.shared_state import SharedSpec

pytestmark = pytest.mark.guest

EXT4 = Dax("ext4-dax", "ext4", ("-b", "4096"), ("dax",))
HEAD = "#!/bin/sh\necho KTAP version 1\n"
GOOD = HEAD + "echo 1..1\necho ok 1 works\n"

MakeJob = Callable[..., Job]


def check(number: int, name: str, does: str = "", says: str = "ok") -> str:
    """A test that marks its beginning as the programs of guest-tests/ do."""
    mark = f"echo '<5>lab: test {name} begins' >$LAB_MARKS\n"
    return f"{mark}{does}\necho {says} {number} {name}\n"


def program(*tests: tuple[str, str]) -> str:
    """A program of marked tests that lists them and takes one's name, as those of guest-tests/."""
    names = " ".join(name for name, _ in tests)
    body = "".join(
        f"if wanted {name}; then n=$((n+1))\n"
        f"echo '<5>lab: test {name} begins' >$LAB_MARKS\n{does}\necho ok $n {name}\nfi\n"
        for name, does in tests
    )
    return (
        "#!/bin/sh\nwant='*'; [ \"$2\" != -k ] || want=$3\n"
        "wanted() { case $1 in $want) ;; *) return 1 ;; esac; }\n"
        f'case "$*" in *-l*) for t in {names}; do ! wanted $t || echo $t; done; exit ;; esac\n'
        f"n=0; for t in {names}; do ! wanted $t || n=$((n+1)); done\n"
        f"echo KTAP version 1; echo 1..$n; n=0\n{body}"
    )


def complain(kind: str) -> str:
    return f"echo {kind} >/proc/complain"


@pytest.fixture(scope="session")
def complain_spec(tmp_path_factory: pytest.TempPathFactory) -> QemuSpec:
    lab = project(tmp_path_factory.mktemp("complain") / "project")
    spec = spec_of(lab, f"{KERNEL}+complain", tmp_path_factory.mktemp("spec"), bare=True)
    return SharedSpec.of(spec)


@pytest.fixture
def make_job(complain_spec: QemuSpec, clean_folder: Path) -> MakeJob:
    def make(scripts: dict[str, str], append: str = "", **changes: object) -> Job:
        programs = dict(complain_spec.programs)
        for name, text in scripts.items():
            programs[name] = clean_folder / name
            programs[name].write_text(text)
        # Without what it is told of its clock, a guest on a busy host measures it wrong.
        told = {"append": f"{complain_spec.append} {append}".strip()} if append else {}
        spec = own_spec(complain_spec, programs=programs, folder=clean_folder / "job", **told)
        job = Job(
            variant=f"{KERNEL}+complain",
            machine="default",
            config="default",
            release=f"{KERNEL}.192",
            guest=spec,
            units=tuple(Unit(EXT4, "suite", name, KTAP) for name in scripts),
            pattern=None,
            program_s=60.0,
            expect=(),
            evidence=Evidence(),
        )
        return replace(job, **changes)  # type: ignore[arg-type]

    return make


def statuses(record: JobRecord) -> dict[str, str]:
    return {result.test: result.status.value for result in record.results}


def message(record: JobRecord, test: str) -> str:
    (found,) = (result.message for result in record.results if result.test == test)
    return found


def diagnostics(record: JobRecord, test: str) -> str:
    (found,) = (result.diagnostics for result in record.results if result.test == test)
    return "\n".join(found)


def complaints(record: JobRecord) -> list[str]:
    return [str(noted.complaint) for noted in record.complaints]


def only(record: JobRecord) -> PlacedComplaint:
    (noted,) = record.complaints
    return noted


def test_warning_during_a_test_that_passes(make_job: MakeJob) -> None:
    tests = check(1, "before") + check(2, "warns", complain("warn")) + check(3, "after")
    job = make_job({"program": HEAD + "echo 1..3\n" + tests, "good": GOOD})
    record = run_job(job)
    assert statuses(record) == {
        "before": "pass",
        "warns": "crash",
        "after": "pass",
        "works": "pass",
    }
    assert message(record, "warns") == ("warning: WARNING in complain_warn (the test itself: pass)")
    assert "complain: asked for, number 70" in diagnostics(record, "warns")
    assert [frame.function for frame in only(record).complaint.frames][:3] == [
        "complain_warn",
        "complain_write",
        "proc_reg_write",
    ]
    assert (only(record).program, only(record).test) == ("program", "warns")
    assert not only(record).of_job


def test_expected_failure_that_warns_is_a_surprise(make_job: MakeJob) -> None:
    """Or a warning could hide behind the failure that everybody knows."""
    expect = Expectation(tests=("fails",), status=Status.FAIL, reason="known")
    program = HEAD + "echo 1..1\n" + check(1, "fails", complain("warn-on"), says="not ok")
    record = run_job(make_job({"program": program}, expect=(expect,)))
    (result,) = record.results
    assert result.status is Status.CRASH
    assert not result.as_expected


def test_warning_of_a_program_that_marks_no_tests(make_job: MakeJob) -> None:
    """Nobody knows which of its passes was earned."""
    program = HEAD + f"echo 1..2\necho ok 1 one\n{complain('warn')}\necho ok 2 two # SKIP no\n"
    record = run_job(make_job({"program": program, "good": GOOD}))
    assert statuses(record) == {"one": "crash", "two": "crash", "works": "pass"}


def test_warning_before_the_first_test(make_job: MakeJob) -> None:
    program = HEAD + f"echo 1..1\n{complain('warn')}\n" + check(1, "one")
    record = run_job(make_job({"program": program}))
    assert statuses(record) == {"one": "pass", "program": "crash"}


def test_panic_in_the_middle_of_a_test(make_job: MakeJob) -> None:
    tests = program(("before", ""), ("panics", complain("panic")), ("after", ""))
    record = run_job(make_job({"program": tests, "good": GOOD}))
    assert statuses(record) == {
        "before": "pass",
        "panics": "crash",
        "after": "pass",
        "works": "pass",
    }
    assert "panic: complain: asked for, number N" in message(record, "panics")
    assert only(record).complaint.fatal
    assert only(record).complaint.kind is Kind.PANIC


def test_panic_of_a_program_that_lists_nothing(make_job: MakeJob) -> None:
    # A host with more to do than CPUs takes a moment to pass on what was said before.
    panics = f"sleep 0.5\n{complain('panic')}"
    tests = check(1, "before") + check(2, "panics", panics) + check(3, "after")
    record = run_job(make_job({"program": HEAD + "echo 1..3\n" + tests, "good": GOOD}))
    assert statuses(record) == {
        "before": "pass",
        "panics": "crash",
        "program (test 3 of 3)": "error",
        "works": "pass",
    }
    assert not next(one for one in record.results if one.test.startswith("program")).ran


def test_oops_that_is_survived(make_job: MakeJob) -> None:
    does = f"echo 0 >/proc/sys/kernel/panic_on_oops; sh -c '{complain('null')}'"
    tests = check(1, "oopses", does) + check(2, "after")
    record = run_job(make_job({"program": HEAD + "echo 1..2\n" + tests}))
    assert statuses(record) == {"oopses": "crash", "after": "pass"}
    assert only(record).complaint.title == "NULL pointer dereference in complain_null"
    assert not only(record).complaint.fatal


def test_kernel_thread_warns_after_the_last_test(make_job: MakeJob) -> None:
    program = HEAD + "echo 1..1\n" + check(1, "passes", complain("kthread-warn"))
    record = run_job(make_job({"program": program}, settle_s=4.0))
    assert statuses(record) == {"passes": "pass"}
    assert only(record).of_job
    assert str(only(record).complaint) == "warning: WARNING in complain_warn"


def test_kernel_thread_oopses_after_the_last_test(make_job: MakeJob) -> None:
    program = HEAD + "echo 1..1\n" + check(1, "passes", complain("kthread-null"))
    record = run_job(make_job({"program": program}, settle_s=6.0))
    assert statuses(record) == {"passes": "pass"}
    assert only(record).of_job
    assert only(record).complaint.fatal
    assert str(only(record).complaint) == "oops: NULL pointer dereference in complain_null"


def test_console_that_was_silenced(make_job: MakeJob) -> None:
    """The kernel log has what the console's log level kept off it."""
    does = f"echo 1 >/proc/sys/kernel/printk; {complain('warn')}"
    program = HEAD + "echo 1..1\n" + check(1, "passes", does)
    record = run_job(make_job({"program": program, "good": GOOD}))
    assert statuses(record) == {"passes": "pass", "works": "pass"}
    assert only(record).of_job
    assert only(record).test == "passes"


def test_benign_complaint_is_recorded_and_excused(make_job: MakeJob) -> None:
    rule = Benign.make("warning: * in complain_warn", f">={KERNEL}", "we asked for it")
    program = HEAD + "echo 1..1\n" + check(1, "passes", complain("warn"))
    record = run_job(make_job({"program": program}, benign=(rule,)))
    assert statuses(record) == {"passes": "pass"}
    assert only(record).benign == "we asked for it"
    assert not only(record).of_job


def test_benign_elsewhere_is_not_excused(make_job: MakeJob) -> None:
    rule = Benign.make("warning: *", ">=4.1 <6.1", "an older kernel's")
    program = HEAD + "echo 1..1\n" + check(1, "warns", complain("warn"))
    record = run_job(make_job({"program": program}, benign=(rule,)))
    assert statuses(record) == {"warns": "crash"}


def test_program_that_eats_all_memory(make_job: MakeJob) -> None:
    program = HEAD + "echo 1..1\n" + check(1, "eats", EATER)
    record = run_job(make_job({"program": program, "good": GOOD}))
    assert statuses(record) == {"eats": "crash", "works": "pass"}
    # The kernel may take one that the eater started, too.
    assert set(complaints(record)) == {"oom-kill: out of memory"}


def test_rcu_stall(make_job: MakeJob) -> None:
    program = HEAD + "echo 1..1\n" + check(1, "stalls", complain("rcu-stall"))
    # It goes on after 12 s.
    job = make_job({"program": program}, "rcupdate.rcu_cpu_stall_timeout=3", stall_s=60.0)
    record = run_job(job)
    assert statuses(record) == {"stalls": "crash"}
    # Where the CPU is that notices it has no backtrace of the one that spins, and its own thread
    # may be the one that starves (kernel/rcu/tree_stall.h, rcu_check_gp_kthread_starvation()).
    said = set(complaints(record))
    assert {one.partition(":")[0] for one in said} == {"rcu-stall"}, said
    console = (job.guest.folder / "console.log").read_text(errors="replace")
    # Where it did say, so do we, and nothing else beside.
    if re.search(r"\] +spin\+0x", console):
        assert said == {"rcu-stall: RCU stall in spin"}
    else:
        assert "kthread starved for" in console, console


def test_boot_that_hangs(make_job: MakeJob) -> None:
    """It is ended when the stall was told and nothing more came, not at the boot deadline."""
    append = "complain=rcu-stall rcupdate.rcu_cpu_stall_timeout=3"
    job = make_job({"program": GOOD}, append)
    record = run_job(replace(job, guest=replace(qemu(job), boot_s=3600.0, stall_s=2.0)))
    assert [result.status.value for result in record.results] == ["timeout"]
    # Where it stalls is known a moment later, if the console is read in the middle of it.
    assert "the boot hangs: RCU stall" in record.results[0].message
    assert "did not go on within deadlines.stall (2 s)" in record.results[0].message


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (complain("triple-fault"), "triple-fault: triple fault"),
        ("echo b >/proc/sysrq-trigger; sleep 60", "reboot: the guest rebooted"),
        ("reboot -f; sleep 60", "reboot: the guest rebooted"),
        ("poweroff -f; sleep 60", "reboot: the guest powered off"),
    ],
)
def test_guest_that_ends_without_a_complaint(make_job: MakeJob, does: str, said: str) -> None:
    # What a program said a moment before may be on its way still.
    tests = check(1, "before") + check(2, "ends", f"sleep 1; {does}")
    record = run_job(make_job({"program": HEAD + "echo 1..2\n" + tests, "good": GOOD}))
    assert statuses(record) == {
        "before": "pass",
        "ends": "crash",
        "works": "pass",
    }
    assert complaints(record) == [said]
    assert message(record, "ends").startswith(said)


def test_qemu_that_is_killed_is_our_error(make_job: MakeJob) -> None:
    """Even though the kernel had warned before."""
    does = f"{complain('warn')}; echo runs >/dev/console; sleep 60"
    tests = check(1, "before") + check(2, "warns", does)
    job = make_job({"program": HEAD + "echo 1..2\n" + tests, "good": GOOD})
    with signal_for_qemu(signal.SIGKILL, job, b"runs"):
        record = run_job(job)
    assert statuses(record) == {
        "before": "pass",
        "warns": "crash",
        "works": "pass",
    }
    assert "QEMU ended with status 137" in message(record, "warns")
    assert complaints(record) == ["warning: WARNING in complain_warn"]


def test_marked_tests_of_a_real_program(
    make_job: MakeJob, complain_spec: QemuSpec, compiled: Path
) -> None:
    """The programs of guest-tests/ say in the kernel log which test begins."""
    programs = compile_programs(ROOT / "guest-tests", ["mlock"], cache=compiled).files
    job = make_job({})
    guest = replace(qemu(job), programs={**complain_spec.programs, **programs})
    record = run_job(replace(job, guest=guest, units=(Unit(EXT4, "suite", "mlock", KTAP),)))
    console = (job.guest.folder / "console.log").read_text(errors="replace")
    assert record.results
    assert not record.complaints
    for result in record.results:
        assert f"lab: test {result.test} begins" in console


@pytest.mark.parametrize("kind", ["warn", "panic"])
def test_what_the_next_program_does_at_once_is_its_own(make_job: MakeJob, kind: str) -> None:
    """It begins before the lab has judged the one before."""
    bad = HEAD + complain(kind) + "\necho 1..1\necho ok 1 bad\n"
    names = {name: GOOD.replace("works", name) for name in ("a", "b", "c", "d")}
    record = run_job(make_job(names | {"bad": bad} | {"e": GOOD.replace("works", "e")}))
    found = statuses(record)
    assert found.pop("bad") == "crash"
    assert found == dict.fromkeys("abcde", "pass")
    assert [len(use.units) for use in record.evidence.guests] == [5, 1]
    assert not [one for one in record.complaints if one.of_job]
