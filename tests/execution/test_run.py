# SPDX-License-Identifier: GPL-2.0-only
"""Which killed run another goes on with: none that would not be the same now."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab.analysis.run_status import run_status
from lab.build import Build
from lab.builder.parallel_builds import FinishedBuilds
from lab.errors import ExitStatus, InfrastructureError, UserError
from lab.execution.job import Job
from lab.execution.jobs import Jobs as RealJobs
from lab.execution.pool import _Worker
from lab.execution.prepare import Preparer
from lab.execution.resume import begun, unfinished
from lab.execution.run import Runner
from lab.execution.run_job import JobInterrupted, unrun_job
from lab.execution.surroundings import surrounded
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.fake import FakeSpec, Script, Stage
from lab.guest.qemu.command_line import Hardware
from lab.model import job_error
from lab.model.records import Evidence, JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import INTERRUPTED, Stop, Unrun
from lab.model.variant import Variant
from lab.plan import JobPlan, Plan, plan_variants
from lab.process.interrupt import Interrupted, Terminated, status_of
from lab.results import JobFolder, RunFolder, Store, write_json
from lab.results.recorder import Recorder
from lab.results.recover import newest_folder
from lab.session import Lab
from tests.cli.test_cli import project
from tests.execution.conftest import KTAP
from tests.results.made import failed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

__all__ = ["project"]

EXPECT = """
[[expect]]
tests = ["t"]
status = "fail"
reason = "known"
"""


class Killed:
    """A run of two jobs that was killed when the first had ended."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lab = Lab.open(root)
        self.plan = plan_variants(self.lab.loaded, (), suites=("populate",))
        self.builds = self.lab.builder.build_all(self.plan)
        self.folder = RunFolder(self.lab.results, "20260101-120000-ab12")
        built = self.builds[self.plan.builds[0]]
        assert isinstance(built, Build)
        job = self.lab.preparer.job(self.plan.jobs[0], built, self.folder.job(0, "fake"))
        self.evidence: Evidence = surrounded(job.stretched(2)).evidence
        self.run = RunRecord(
            self.folder.run_id,
            "then",
            plan=tuple(self.plan.describe()),
            planned=self.plan.recorded(),
            jobs=(self.record(),),
        )
        write_json(self.folder.record, asdict(replace(self.run, jobs=())))

    def record(self, *results: TestResult, evidence: Evidence | None = None) -> JobRecord:
        made = results or (self.result(),)
        return JobRecord(
            Variant("fake"),
            "4.2.0",
            "default",
            "default",
            "then",
            1.0,
            evidence or self.evidence,
            made,
        )

    def result(self, status: Status = Status.PASS) -> TestResult:
        return TestResult("fake", "4.2.0", "ext4-dax", "populate", "t", status)

    def goes_on(self, *jobs: JobRecord, lab: Lab | None = None) -> bool:
        killed = replace(self.run, jobs=jobs or self.run.jobs)
        found = begun(killed, self.plan, self.builds, (lab or self.lab).preparer)
        return found is not None and list(found[1]) == [0]


@pytest.fixture
def killed(project: Path) -> Killed:
    return Killed(project)


def test_killed_run(killed: Killed) -> None:
    assert killed.goes_on()
    for other in (
        replace(killed.evidence, build_key="x"),
        replace(killed.evidence, qemu_version="x"),
        replace(killed.evidence, programs_digest="x"),
        replace(killed.evidence, image_digest="x"),
        replace(killed.evidence, hardware="x"),
        replace(killed.evidence, surroundings=()),
        replace(killed.evidence, surroundings=(("recipe of ext4-dax", "x"),)),
    ):
        assert not killed.goes_on(killed.record(evidence=other))
    assert not killed.goes_on(killed.record(killed.result(Status.ERROR)))
    assert not killed.goes_on(replace(killed.record(), error=failed("no disk")))
    assert not killed.goes_on(replace(killed.record(), variant=Variant("another")))
    assert not killed.goes_on(killed.record(), killed.record())
    toml = killed.root / "lab.toml"
    toml.write_text(toml.read_text().replace("[paths]", f"{EXPECT}\n[paths]"))
    assert not killed.goes_on(lab=Lab.open(killed.root))
    with killed.folder.held():
        assert not killed.goes_on()
    assert killed.goes_on()
    killed.plan = plan_variants(killed.lab.loaded, ("fake",), suites=("populate",))
    assert not killed.goes_on()
    killed.plan = plan_variants(killed.lab.loaded, (), suites=("populate",))
    killed.folder.record.unlink()
    assert not killed.goes_on()


def test_words_are_for_people(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown of a plan may be said otherwise, and the run still goes on."""
    write_json(killed.folder.record, asdict(replace(killed.run, jobs=())))
    with Store.open(killed.lab.database) as store:
        store.begin(killed.run)
    monkeypatch.setattr(JobPlan, "describe", lambda _: "a guest")
    monkeypatch.setattr(Plan, "describe", lambda _: ["what is done"])
    monkeypatch.setattr(Hardware, "describe", lambda _: "a machine")
    assert killed.goes_on()
    said = replace(killed.evidence, machine_description="words of before")
    assert killed.goes_on(killed.record(evidence=said))
    found = unfinished(killed.lab.loaded, killed.plan, print)
    assert found is not None
    assert found.id == killed.folder.run_id
    other = plan_variants(killed.lab.loaded, (), suites=("populate",), pattern="*.4k")
    assert unfinished(killed.lab.loaded, other, print) is None
    killed.plan = other
    assert not killed.goes_on()


def test_what_max_fail_left_is_done_again_whatever_is_said_of_it(killed: Killed) -> None:
    lost = replace(killed.result(Status.ERROR), unrun=Unrun.LOST, message="did not run: it died")
    assert killed.goes_on(killed.record(lost))
    enough = replace(lost, unrun=Unrun.ENOUGH, message="did not run: that will do")
    assert not killed.goes_on(killed.record(enough))
    # And what a test says is not taken for it.
    said = replace(lost, message="did not run: enough results are not as expected (--max-fail)")
    assert killed.goes_on(killed.record(said))


class Jobs:
    """Stands for guests: each job's results, or what comes in the middle of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ends: Status | BaseException) -> None:
        self.ends = list(ends)
        self.began: list[str] = []
        self.boot_s: list[float] = []
        monkeypatch.setattr("lab.execution.in_process.run_job", self.run)
        monkeypatch.setattr(Preparer, "job", staticmethod(self.make))
        monkeypatch.setattr("lab.doctor.require", lambda _: None)

    def make(self, planned: JobPlan, built: Build, folder: JobFolder) -> Job:
        """A job without an image, and without a look at what QEMU can do here."""
        stage = Stage({"populate": Script(("t",), {"t": "fail"})})
        return Job(
            variant=str(planned.variant),
            machine=planned.machine,
            config=planned.config,
            release=built.release,
            guest=FakeSpec(folder.path, stage, boot_s=1.0),
            units=(Unit(Dax("ext4-dax", "ext4", (), ()), "populate", "populate", KTAP),),
            pattern=None,
            program_s=1.0,
            expect=(),
            evidence=Evidence(build_key=built.key),
        )

    def run(
        self,
        job: Job,
        on_result: Callable[[TestResult], None],
        on_word: Callable[[str], None],
    ) -> JobRecord:
        self.began.append(job.variant)
        self.boot_s.append(job.guest.boot_s)
        end = self.ends.pop(0)
        record = unrun_job(replace(job, units=()), Stop(""))
        if isinstance(end, BaseException):
            left = unrun_job(job, INTERRUPTED, job_error.INTERRUPTED)
            raise JobInterrupted(left, end)
        result = TestResult(job.variant, job.release, "ext4-dax", "populate", "t", end)
        on_result(result)
        return replace(record, results=(result,))


@pytest.fixture
def lab_and_plan(project: Path) -> tuple[Lab, Plan]:
    toml = project / "lab.toml"
    text = toml.read_text().replace("[series.fix]", "[kernels.other]\n{fake}\n[series.fix]")
    fake = text[text.index('kind = "dir"') : text.index("[kernels.other]")]
    toml.write_text(f"guests = 1\n{text.replace('{fake}', fake)}")
    lab = Lab.open(project)
    return lab, plan_variants(lab.loaded, ("fake", "other"))


def test_interrupted_run_is_kept_and_gone_on_with(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    jobs = Jobs(monkeypatch, Status.PASS, KeyboardInterrupt(), Status.FAIL)
    with pytest.raises(Interrupted) as stop:
        lab.test(plan, ["lab", "test"])
    shown = stop.value.run
    assert [job.error and str(job.error) for job in shown.jobs] == [None, "interrupted"]
    assert [(one.test, one.ran) for one in shown.results] == [("t", True), ("populate", False)]
    with Store.open(lab.database) as store:
        assert store.load(shown.id).jobs == shown.jobs
    finished = lab.test(plan, ["lab", "test"])
    assert finished.id == shown.id
    assert jobs.began == ["fake", "other", "other"]
    assert [result.status for result in finished.results] == [Status.PASS, Status.FAIL]
    with Store.open(lab.database) as store:
        kept = store.load(shown.id)
        assert (kept.jobs, bool(kept.finished)) == (finished.jobs, True)
        assert len(store.runs()) == 1


def test_jobs_that_an_interrupt_came_before_are_told(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    Jobs(monkeypatch, Terminated(15))
    with pytest.raises(Interrupted) as stop:
        lab.test(plan, ["lab", "test"])
    assert status_of(stop.value) == 143
    run = stop.value.run
    assert [(job.variant, str(job.error)) for job in run.jobs] == [
        ("fake", "interrupted"),
        ("other", "interrupted"),
    ]
    assert not any(result.ran for result in run.results)
    assert len(run.results) == 2
    with Store.open(lab.database) as store:
        assert [job.variant for job in store.load(run.id).jobs] == ["fake"]


def test_max_fail_ends_the_run(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    jobs = Jobs(monkeypatch, Status.FAIL)
    run = lab.stopping_after(1).test(plan, ["lab", "test", "-x"])
    assert jobs.began == ["fake"]
    assert run.finished
    assert [(one.test, one.ran) for one in run.results] == [("t", True), ("populate", False)]
    assert run_status(run) is ExitStatus.UNEXPECTED
    assert "--max-fail" in run.results[-1].message
    # It did come to its end: the next is another.
    Jobs(monkeypatch, Status.PASS, Status.PASS)
    assert lab.test(plan, ["lab", "test"]).id != run.id


def test_max_fail_counts_what_failed_before_the_run_was_interrupted(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    jobs = Jobs(monkeypatch, Status.FAIL, KeyboardInterrupt())
    with pytest.raises(Interrupted):
        lab.test(plan, ["lab", "test"])
    run = lab.stopping_after(1).test(plan, ["lab", "test", "-x"])
    assert jobs.began == ["fake", "other"]
    assert [(one.test, one.ran) for one in run.results] == [("t", True), ("populate", False)]


@pytest.mark.parametrize(
    ("why", "said", "users_fault"),
    [
        (ValueError("'x' is no release"), "the lab itself failed: ValueError: 'x' is no", False),
        # A matrix has several machines, and not each kernel can have each.
        (UserError("6.1 has no driver for one"), "6.1 has no driver for one", True),
    ],
)
def test_a_job_that_cannot_be_made_costs_itself(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    why: Exception,
    said: str,
    users_fault: bool,
) -> None:
    killed = Killed(project)
    folder = RunFolder(killed.lab.results, "20260101-120000-cccc")
    with Recorder(killed.lab.database, RunRecord(folder.run_id, "then")) as recorder:
        jobs = RealJobs(
            killed.lab.preparer, killed.plan, FinishedBuilds(killed.builds), folder, recorder
        )

        def broken(*_: object) -> None:
            raise why

        monkeypatch.setattr(Preparer, "job", broken)
        record = jobs.make(0)
    assert isinstance(record, JobRecord)
    assert said in str(record.error)
    assert record.users_fault is users_fault


def test_a_word_to_end_comes_once_and_only_into_guests() -> None:
    """The pool says it again with each result: the record of the job is being made by then."""
    worker = _Worker()
    with worker.interruptible():
        with pytest.raises(Terminated):
            worker.end(signal.SIGTERM, None)
        worker.end(signal.SIGTERM, None)
    worker.end(signal.SIGTERM, None)
    # What was told between jobs ends the next as it begins.
    with pytest.raises(Terminated), worker.interruptible():
        raise AssertionError("it was told to end")


class Gone:
    """An executor that is lost when it is there, or when a job is to begin."""

    width, busy = 1, 0

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once

    def __enter__(self) -> Gone:
        if self.at_once:
            raise InfrastructureError("no scheduler answers")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wake(self) -> None:
        pass

    def submit(self, number: int, job: Job) -> None:
        raise InfrastructureError("the scheduler is gone")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_run_of_which_nothing_began_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Each try at a scheduler that does not answer was the latest run, and an empty one."""
    lab = Lab.open(project)
    plan = plan_variants(lab.loaded, (), suites=("populate",))
    monkeypatch.setattr("lab.execution.run.executor_for", lambda _: Gone(at_once=at_once))
    with pytest.raises(InfrastructureError, match="scheduler"):
        Runner(lab.builder).run(plan, ["lab", "test"])
    with Store.open(lab.database) as store:
        assert len(store.known()) == (0 if at_once else 1)
    assert (newest_folder(lab.results) is None) == at_once


def test_a_run_that_cannot_be_removed_hides_no_error(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(_: Path) -> None:
        raise OSError("it is in use")

    lab = Lab.open(project)
    monkeypatch.setattr("lab.execution.run.executor_for", lambda _: Gone(at_once=True))
    monkeypatch.setattr("lab.execution.run.remove_tree", fixed)
    with pytest.raises(InfrastructureError, match="no scheduler"):
        Runner(lab.builder).run(plan_variants(lab.loaded, (), suites=("populate",)), ["lab"])
