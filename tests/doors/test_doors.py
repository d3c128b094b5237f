# SPDX-License-Identifier: GPL-2.0-only
"""Each door tried: a kind of filesystem and of suite in a module of its own, and nothing edited."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.analysis.verdict import alone
from lab.config import load
from lab.config.kinds import FILESYSTEMS, SUITES
from lab.config.model import Fresh
from lab.errors import LabError, UserError
from lab.execution.job import Job
from lab.execution.programs import Programs
from lab.execution.run_job import JobInterrupted, run_job
from lab.execution.unit import Unit
from lab.filesystems import filesystem_of
from lab.guest.command import CommandResult
from lab.guest.fake import Answer, FakeGuest, FakeSpec, Stage
from lab.model.maker import made_by
from lab.model.records import Evidence, JobRecord
from lab.model.unrun import Unrun
from lab.plan import plan_variants
from lab.report import to_json
from lab.session import Lab
from lab.suites import suite_of
from lab.suites.listing import refuse_pattern
from lab.suites.suite import BuiltPrograms, ProgramResult, Suite
from tests.doors.exit_status import ExitStatus
from tests.execution.conftest import stage
from tests.guest.conftest import KERNEL

__all__ = ["stage"]

MOUNT = "mount -t ramfs -o noexec lab-toy /mnt/toy"
FINE = "mounted=lab-toy /mnt/toy ramfs rw,noexec; \nnoexec=yes\n"
EXPECTED = {"good": "pass", "skips": "skip", "bad": "fail"}


def says(stdout: str, status: int = 0) -> Answer:
    return lambda *_: CommandResult(status, stdout, "", 0.0)


@pytest.fixture
def job(project: Path, stage: Stage, tmp_path: Path) -> Job:
    config = load(project).config
    toy = filesystem_of("toy", config.filesystems["toy"])
    kind = suite_of(config.suites["scripts"].kind, project)
    units = tuple(Unit(toy, "scripts", name, kind) for name in config.suites["scripts"].programs)
    stage.answers |= {
        "/lab/good": says("fine\n"),
        "/lab/skips": says("no such thing here\n", 4),
        "/lab/bad": says("one\nit is 3\n", 3),
        MOUNT: says(FINE),
    }
    spec = FakeSpec(tmp_path / "job", stage)
    return Job("mine", "default", "default", "6.1.192", spec, units, None, 2.0, (), Evidence())


def statuses(record: JobRecord) -> dict[str, str]:
    return {one.test: one.status.value for one in record.results}


def test_a_toy_filesystem_and_a_toy_suite_on_a_played_guest(job: Job) -> None:
    # As if it went to another process.
    record = run_job(replace(job, units=pickle.loads(pickle.dumps(job.units))))
    assert statuses(record) == EXPECTED
    assert [one.message for one in record.results] == ["fine", "no such thing here", "it is 3"]
    assert record.error is None
    assert record.evidence.promises == (("toy", ("noexec",)),)
    ((name, ((proof, said),)),) = record.evidence.proofs
    assert (name, proof, dict(said)["proved_by"]) == ("toy", "noexec", "mount option")
    assert {verdict.verdict for verdict in alone(record)} == {"not applicable"}


def test_a_toy_without_its_proof_passes_nothing(job: Job, stage: Stage) -> None:
    stage.answers[MOUNT] = says(FINE.replace("noexec=yes", "noexec=no"))
    record = run_job(job)
    assert set(statuses(record).values()) == {"error"}
    assert "toy is not proved to be noexec" in record.results[0].message
    assert record.evidence.proofs == ()


def test_a_toy_that_owes_nothing_is_no_worse_for_that(
    job: Job, stage: Stage, project: Path
) -> None:
    """No device, no proof, and a word on the kernel."""
    scratch = filesystem_of("scratch", load(project).config.filesystems["scratch"])
    stage.prepared = CommandResult(1, "", "no /dev/pmem0", 0.0)
    units = tuple(replace(unit, filesystem=scratch) for unit in job.units)
    record = run_job(replace(job, units=units))
    assert statuses(record) == EXPECTED
    assert record.evidence.promises == (("scratch", ()),)
    assert record.evidence.proofs == (("scratch", ()),)
    assert {verdict.verdict for verdict in alone(record)} == {"not applicable"}


def test_a_guest_that_dies_is_a_crash_of_the_toy_that_ran(job: Job, stage: Stage) -> None:
    def dies(guest: FakeGuest, _: str, __: float) -> CommandResult:
        guest.says("Kernel panic - not syncing: boom\nKernel Offset: disabled\n")
        raise guest.dies("Kernel panic - not syncing: boom")

    stage.answers["/lab/skips"] = dies
    assert statuses(run_job(job)) == {**EXPECTED, "skips": "crash"}
    assert len(stage.made) == 2


def test_a_pattern_leaves_out_the_others(job: Job, stage: Stage) -> None:
    record = run_job(replace(job, pattern="goo"))
    assert statuses(record) == {"good": "pass"}
    assert [one for one, _ in stage.asked if "/lab/bad" in one] == []


def test_a_toy_that_lists_nothing_runs_as_a_whole(job: Job, stage: Stage) -> None:
    assert statuses(run_job(replace(job, fresh=Fresh.TEST))) == EXPECTED
    assert "" not in [command for command, _ in stage.asked]


@pytest.mark.parametrize("what", ["command", "judge"])
def test_a_toy_that_says_nothing_has_passed_nothing(
    job: Job, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    nothing = {"command": lambda *_: [], "judge": lambda *_, **__: ProgramResult(())}
    monkeypatch.setattr(ExitStatus, what, nothing[what])
    record = run_job(job)
    assert statuses(record) == dict.fromkeys(EXPECTED, "error")
    assert record.results[0].message in (
        "did not run: suite scripts gives no command for it",
        "ran, and nothing was made of it",
    )


@pytest.mark.parametrize(("status", "ended"), [(137, "error"), (255, "fail"), (1, "fail")])
def test_a_toy_that_is_killed_is_no_failure_of_the_kernels(
    job: Job, stage: Stage, status: int, ended: str
) -> None:
    stage.answers["/lab/bad"] = says("", status)
    assert statuses(run_job(job))["bad"] == ended


@pytest.mark.slow
def test_what_goes_into_a_guest_and_what_a_run_keeps(project: Path, tmp_path: Path) -> None:
    (project / "guest-tests" / "skips.sh").write_text("exit 4\n")
    programs = Programs.of(load(project), ["scripts"])
    built = programs.build(tmp_path / "cache")
    assert set(built.files) == {"good", "bad", "dax-proof", "init", "ssh-waits.so"}
    assert list(built.failed) == ["skips"]
    kept = dict(programs.sources())
    assert kept["good.sh"].read_text().startswith("#!/bin/sh")
    assert "dax-proof.c" in kept


def test_a_name_of_two_kinds_is_refused(project: Path) -> None:
    text = (project / "lab.local.toml").read_text()
    (project / "lab.local.toml").write_text(text.replace('"bad"]', '"mlock"]'))
    (project / "guest-tests" / "mlock.sh").write_text("#!/bin/sh\n")
    with pytest.raises(UserError, match="suites mlock and scripts have a program 'mlock'"):
        Programs.of(load(project), ["mlock", "scripts"])


def test_a_pattern_is_asked_of_each_kind(project: Path) -> None:
    suite = suite_of("exit", project)
    programs = [(suite, "good"), (suite, "bad")]
    refuse_pattern("goo", programs, {})
    with pytest.raises(UserError, match="no test has a name like 'mlock'"):
        refuse_pattern("mlock", programs, {})


@pytest.mark.parametrize(
    ("was", "is_now", "what"),
    [
        ('type = "ramfs"', 'type = "ramsf"', "cannot be 'ramsf'"),
        ('kind = "exit"', 'kind = "exti"', "cannot be 'exti'"),
        ('"bad"]', '"badd"]', "there is no file guest-tests/badd.sh"),
    ],
)
def test_mistakes_are_told_with_what_there_is(
    project: Path, was: str, is_now: str, what: str
) -> None:
    text = (project / "lab.local.toml").read_text()
    (project / "lab.local.toml").write_text(text.replace(was, is_now, 1))
    with pytest.raises(LabError, match=what) as error:
        load(project)
    assert any(word in str(error.value.hint) for word in ("ramfs", "exit", "bad"))


def test_all_that_is_named_is_there() -> None:
    makers = [kind.maker for kind in FILESYSTEMS.values()]
    makers += [kind.maker for kind in SUITES.values()]
    assert all(callable(made_by(maker)) for maker in makers)


@pytest.mark.guest
def test_both_toys_in_a_real_guest(project: Path) -> None:
    lab = Lab.open(project)
    plan = plan_variants(lab.loaded, [KERNEL], ("toy", "scratch"), ("scripts", "limits"))
    run = lab.test(plan, ("lab", "test"))
    found = {(one.filesystem, one.test): one.status.value for one in run.results}
    for filesystem in ("toy", "scratch"):
        assert {name: found[filesystem, name] for name in EXPECTED} == EXPECTED
        assert sum(place == filesystem for place, _ in found) > len(EXPECTED)
    evidence = to_json(run)["jobs"][0]["evidence"]
    assert evidence["promises"] == {"toy": ["noexec"], "scratch": []}
    assert evidence["proofs"]["toy"]["noexec"]["proved_by"] == "mount option"
    assert evidence["proofs"]["scratch"] == evidence["dax"] == {}


class _Careless(ExitStatus):
    """A kind that has not thought of a program without an exit status."""

    def judge(self, *arguments: Any, **more: Any) -> Any:
        raise ValueError("no status")


@pytest.mark.parametrize("careless", [False, True])
def test_an_interrupt_ends_the_job_whatever_its_suite_makes_of_it(
    job: Job, stage: Stage, careless: bool
) -> None:
    def interrupted(*_: object) -> CommandResult:
        raise KeyboardInterrupt

    stage.answers["/lab/skips"] = interrupted
    kind = job.units[0].kind
    assert isinstance(kind, ExitStatus)
    units = list(job.units)
    units[1] = replace(units[1], kind=_Careless(kind.root) if careless else kind)
    with pytest.raises(JobInterrupted) as stop:
        run_job(replace(job, units=tuple(units)))
    # What was interrupted did not run, whoever judges it, and what comes after neither.
    ran = [(one.program, one.ran, one.unrun) for one in stop.value.record.results]
    assert ran == [
        ("good", True, None),
        ("skips", False, Unrun.INTERRUPTED),
        ("bad", False, Unrun.INTERRUPTED),
    ]


def test_no_kind_puts_its_file_over_anothers(job: Job, tmp_path: Path) -> None:
    """Least of all over what proves a filesystem."""

    class Shipping(ExitStatus):
        def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
            return BuiltPrograms(
                {name: Path("/forged", name) for name in (*programs, "dax-proof")}, {}
            )

    kind = job.units[0].kind
    assert isinstance(kind, ExitStatus)
    suites: dict[Suite, tuple[str, ...]] = {
        Shipping(kind.root): ("mine",),
        Shipping(tmp_path): ("other",),
    }
    with pytest.raises(UserError, match="two kinds of suites would put a file 'dax-proof'"):
        Programs(suites, ()).build(tmp_path)


def test_a_test_that_was_listed_and_has_no_command_is_told(job: Job) -> None:
    class Silent(ExitStatus):
        def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
            return []

    kind = job.units[0].kind
    assert isinstance(kind, ExitStatus)
    unit = replace(job.units[0], kind=Silent(kind.root), test="t1")
    record = run_job(replace(job, pattern="t*", units=(unit,)))
    assert [(one.test, one.ran) for one in record.results] == [("t1", False)]


def test_two_programs_are_not_kept_in_one_file(project: Path) -> None:
    toml = project / "lab.local.toml"
    toml.write_text(
        f'{toml.read_text()}\n[suites.a]\nprograms = ["b.c"]\n[suites."a.b"]\nprograms = ["c"]\n'
    )
    for name in ("b.c", "c"):
        (project / "guest-tests" / f"{name}.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(UserError, match=r"would be kept in one file, a\.b\.c\.ktap"):
        Programs.of(load(project), ["a", "a.b"])
