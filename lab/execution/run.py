# SPDX-License-Identifier: GPL-2.0-only
"""A run: a plan's jobs, done and recorded one by one."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import lab as package
from lab.build import Build
from lab.build.key import KBUILD_ENVIRONMENT
from lab.complaints.benign import Benign
from lab.config.model import Filesystem
from lab.errors import LabError, UserError
from lab.execution.artifacts import keep_build, keep_programs
from lab.execution.findings import ENOUGH
from lab.execution.job import Job
from lab.execution.pool import Workers
from lab.execution.run_job import JobInterrupted, run_job, unrun_job
from lab.execution.surroundings import DEADLINES, surrounded
from lab.execution.unit import Unit
from lab.filesystems.dax import Recipe
from lab.guest.protocol import GuestSpec
from lab.model.records import (
    DID_NOT_RUN,
    INTERRUPTED,
    Evidence,
    Host,
    JobRecord,
    RunRecord,
    TestResult,
    new_run_id,
    now,
)
from lab.model.status import Status
from lab.model.version import KernelVersion
from lab.plan import BuildRequest, JobPlan, Plan
from lab.process.interrupt import Interrupted, Terminated
from lab.report import to_json
from lab.report.export.junit import write_junit
from lab.results import JobFolder, Recorder, RunFolder, write_json, write_text
from lab.results.recover import newest_folder
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.session import Builds, Failure, Lab


def run_plan(lab: Lab, plan: Plan, command: Sequence[str]) -> RunRecord:
    """Build what the plan needs, run its jobs, record each as it ends.

    A kill keeps the jobs that ended; the run then stays unfinished.

    Raises:
        Interrupted: From a signal; what had ended is kept.
    """
    suites = dict.fromkeys(suite for job in plan.jobs for suite in job.suites)
    for error in lab.programs(suites).failed.values():
        # Now, and not when the kernels are built.
        lab.listener.say(str(error))
    with lab.building(plan) as builds:
        started, done = _begun(lab, plan, builds) or (_new_run(lab, plan, command), {})
        folder = RunFolder(lab.results, started.id)
        if started.finished and folder.document.is_file():
            return started
        return _run(lab, plan, builds, started, done)


def _run(
    lab: Lab, plan: Plan, builds: Builds, started: RunRecord, done: Mapping[int, JobRecord]
) -> RunRecord:
    """Run the jobs that are not done, as their builds come."""
    folder = RunFolder(lab.results, started.id)
    suites = dict.fromkeys(suite for job in plan.jobs for suite in job.suites)
    with folder.held():
        write_json(folder.record, asdict(replace(started, jobs=())))
        write_text(folder.plan, "\n".join(plan.describe()) + "\n")
        begun = lab.killed is not None and lab.killed.id == started.id
        with Recorder(lab.database, started, begun=begun) as recorder:
            programs = {
                name for suite in suites for name in lab.loaded.config.suites[suite].programs
            }
            sources = lab.loaded.root / "guest-tests"
            recorder.kept(lambda: keep_programs(folder, sources, programs))
            jobs = _Jobs(lab, plan, builds, folder, recorder)
            ended = set(done)
            try:
                for number, record in _records(jobs, done):
                    path = folder.job(number, record.variant).record
                    recorder.kept(partial(write_json, path, asdict(record)))
                    recorder.add_job(record)
                    ended.add(number)
            except (KeyboardInterrupt, Terminated) as stop:
                left = [n for n in range(len(plan.jobs)) if n not in ended]
                unrun = tuple(jobs.unrun(n, INTERRUPTED, INTERRUPTED) for n in left)
                raise Interrupted(recorder.so_far(unrun), stop) from stop
            run = recorder.finish()
            recorder.kept(lambda: write_junit(run, folder.junit))
            recorder.kept(lambda: write_json(folder.document, to_json(run)))
            return recorder.with_troubles(run)


def unfinished(lab: Lab, plan: Plan) -> RunRecord | None:
    """The last run of all, if it was of this plan and did not come to its end.

    What the folders say is asked first: the database takes half a second to open.
    """
    folder = newest_folder(lab.results)
    if folder is None or folder.document.is_file() or folder.is_running():
        return None
    described = "\n".join(plan.describe()) + "\n"
    if not folder.plan.is_file() or folder.plan.read_text(errors="replace") != described:
        return None
    from lab.results import Store

    try:
        with Store.open(lab.database) as store:
            return store.load(folder.run_id) if folder.run_id in store.known() else None
    except LabError as error:
        # All is done anew, then; what recording comes to, the run says.
        lab.listener.say(f"it is not known what {folder.run_id} had done: {error.what}")
        return None


def _begun(
    lab: Lab, plan: Plan, builds: Mapping[BuildRequest, Build | Failure]
) -> tuple[RunRecord, dict[int, JobRecord]] | None:
    """The killed run that this plan goes on with, and its jobs that count, by number.

    None unless each of them would be the same now: the same build, machine, programs and
    expectations.  One in which the lab had an error is done anew.
    """
    killed = lab.killed
    if killed is None or killed.plan != tuple(plan.describe()):
        return None
    folder = RunFolder(lab.results, killed.id)
    if folder.is_running() or not folder.record.is_file():
        return None
    left = {(str(job.variant), job.machine, job.config): n for n, job in enumerate(plan.jobs)}
    done = {}
    ended = [record for record in killed.jobs if record.error != INTERRUPTED]
    for record in ended:
        number = left.pop((record.variant, record.machine, record.config), None)
        if number is None or not _would_be_the_same(lab, plan.jobs[number], builds, record, folder):
            return None
        done[number] = record
    if not done:
        return None
    lab.listener.say(f"going on with {killed.id}: {len(done)} of {len(plan.jobs)} jobs are done")
    return replace(killed, jobs=tuple(ended)), done


def _would_be_the_same(
    lab: Lab,
    planned: JobPlan,
    builds: Mapping[BuildRequest, Build | Failure],
    record: JobRecord,
    folder: RunFolder,
) -> bool:
    built = builds[planned.build]
    if not isinstance(built, Build) or record.error is not None:
        return False
    job = surrounded(make_job(lab, planned, built, folder.job(0, record.variant)))
    # How many run side by side, and so their deadlines, is of the moment.
    theirs = {**dict(job.evidence.surroundings), **_deadlines(record.evidence)}
    evidence = replace(job.evidence, surroundings=tuple(theirs.items()))
    return evidence.setup == record.evidence.setup and all(
        (result.status is not Status.ERROR or not result.ran)
        and ENOUGH not in result.message
        and job.expected(result.filesystem, result.suite, result.test)
        == (result.expected, result.reason)
        for result in record.results
    )


def _deadlines(evidence: Evidence) -> dict[str, str]:
    return {name: value for name, value in evidence.surroundings if name == DEADLINES}


@dataclass
class _Jobs:
    """The jobs of a run, each made when its build is there."""

    lab: Lab
    plan: Plan
    builds: Builds
    folder: RunFolder
    recorder: Recorder
    made: dict[int, Job] = field(default_factory=dict)

    @cached_property
    def width(self) -> int:
        """How many of them run side by side."""
        return min(len(self.plan.jobs), self.lab.guests_at_once(self.plan))

    @cached_property
    def ahead(self) -> bool:
        """Whether memory carries the next guest of each beside them."""
        return self.lab.starts_ahead(self.plan, self.width)

    def is_there(self, number: int) -> bool:
        """Whether a job can be made without waiting for its build."""
        return self.builds.is_there(self.plan.jobs[number].build)

    def make(self, number: int) -> Job | JobRecord:
        """Wait for a job's build; its record when there is nothing to boot."""
        planned = self.plan.jobs[number]
        built = self.builds[planned.build]
        if not isinstance(built, Build):
            return _unbuilt(planned, built)
        try:
            return self._made(number, planned, built)
        except LabError:
            raise
        except Exception as error:
            # What nobody foresaw of one is no reason to keep the others from being tested.
            from lab.session import Failure

            return _unbuilt(planned, Failure(str(planned.variant), as_lab_error(error)))

    def _made(self, number: int, planned: JobPlan, built: Build) -> Job:
        place = self.folder.job(number, str(planned.variant))
        shutil.rmtree(place.path, ignore_errors=True)  # what a killed run left
        job = make_job(self.lab, planned, built, place)
        self.recorder.kept(partial(_keep_recipe, self.lab, planned, built, place, job))
        # Deadlines of a host that runs so many side by side, and builds beside them.
        load = self.lab.load(planned, self.width, self.builds.left)
        self.made[number] = replace(surrounded(job.stretched(load)), ahead=self.ahead)
        return self.made[number]

    def unrun(self, number: int, why: str, error: str | None = None) -> JobRecord:
        """The record of a job that was not begun; its build may not be there."""
        if number not in self.made and error is None and self.is_there(number):
            job = self.make(number)
            if isinstance(job, JobRecord):
                return job
        if number in self.made:
            return unrun_job(self.made[number], why, error)
        planned = self.plan.jobs[number]
        results = tuple(_unrun(self.lab, planned, why))
        return replace(_unbuilt(planned, None), error=error, results=results)


def _unrun(lab: Lab, planned: JobPlan, why: str) -> Iterator[TestResult]:
    """What is said of each program of a job whose kernel nobody built."""
    for name in planned.filesystems:
        for suite in planned.suites:
            for program in lab.loaded.config.suites[suite].programs:
                yield TestResult(
                    variant=str(planned.variant),
                    kernel_release="",
                    filesystem=name,
                    suite=suite,
                    test=program,
                    status=Status.ERROR,
                    message=f"{DID_NOT_RUN}{why}",
                    program=program,
                )


def _records(jobs: _Jobs, done: Mapping[int, JobRecord]) -> Iterator[tuple[int, JobRecord]]:
    """The record of each job that is not done, with its number, as it ends."""
    waiting = [number for number in range(len(jobs.plan.jobs)) if number not in done]
    limit = _Limit(jobs.lab.max_fail)
    for result in (result for record in done.values() for result in record.results):
        limit.count(result)
    if min(len(waiting), jobs.width) <= 1:
        yield from _one_by_one(jobs, waiting, limit)
    else:
        yield from _side_by_side(jobs, waiting, limit)


@dataclass
class _Limit:
    """How many results that are not as expected end a run; ``most`` 0 is none."""

    most: int
    failed: int = 0

    @property
    def left(self) -> int:
        """How many more may come, or 0 for no limit."""
        return max(1, self.most - self.failed) if self.most else 0

    @property
    def reached(self) -> bool:
        """Whether nothing more is to run."""
        return bool(self.most) and self.failed >= self.most

    def count(self, result: TestResult) -> None:
        """Take a result in."""
        self.failed += not result.as_expected and result.ran


def _one_by_one(
    jobs: _Jobs, waiting: Sequence[int], limit: _Limit
) -> Iterator[tuple[int, JobRecord]]:
    listener = jobs.lab.listener

    def tell(result: TestResult) -> None:
        limit.count(result)
        listener.result(result)

    left = list(waiting)
    while left and not limit.reached:
        # Its build is not the first to be there where several are made at once.
        number = next(filter(jobs.is_there, left), left[0])
        left.remove(number)
        job = jobs.make(number)
        if isinstance(job, JobRecord):
            yield number, job
            continue
        listener.say(f"{job.variant}: booting")
        try:
            yield number, run_job(replace(job, max_fail=limit.left), tell, listener.say)
        except JobInterrupted as stop:
            yield number, stop.record
            raise stop.cause from None
    jobs.builds.give_up()
    for number in left:
        yield number, jobs.unrun(number, ENOUGH)


def _side_by_side(
    jobs: _Jobs, waiting: Sequence[int], limit: _Limit
) -> Iterator[tuple[int, JobRecord]]:
    listener = jobs.lab.listener
    width = min(len(waiting), jobs.width)
    left = list(waiting)

    def tell(result: TestResult) -> None:
        listener.result(result)
        limit.count(result)
        if limit.reached:
            jobs.builds.give_up()
            workers.end()
            workers.wake()

    with Workers(width, tell, listener.say) as workers:
        listener.say(f"{len(waiting)} guests, {width} at once")
        jobs.builds.tell(workers.wake)
        try:
            for number, record in _as_they_end(jobs, workers, waiting, limit):
                left.remove(number)
                yield number, _limited(record) if limit.reached else record
        except (KeyboardInterrupt, Terminated):
            yield from workers.stop()
            raise
    for number in left:
        yield number, jobs.unrun(number, ENOUGH)


def _as_they_end(
    jobs: _Jobs, workers: Workers, waiting: Sequence[int], limit: _Limit
) -> Iterator[tuple[int, JobRecord]]:
    """Each job's record, once it was begun: when its build is there, unless the limit is."""
    to_begin = list(waiting)
    while workers.busy or (to_begin and not limit.reached):
        for number in [number for number in to_begin if jobs.is_there(number)]:
            if limit.reached:
                break
            to_begin.remove(number)
            job = jobs.make(number)
            if isinstance(job, Job):
                workers.submit(number, replace(job, max_fail=limit.left))
            else:
                yield number, job
        if (workers.busy or to_begin) and (ended := workers.next_record()) is not None:
            yield ended


def _limited(record: JobRecord) -> JobRecord:
    """The record of a job that was ended since others had come to the limit."""
    if record.error != INTERRUPTED:
        return record
    results = tuple(
        result if result.ran else replace(result, message=f"{DID_NOT_RUN}{ENOUGH}")
        for result in record.results
    )
    return replace(record, error=None, results=results)


def make_job(lab: Lab, planned: JobPlan, built: Build, folder: JobFolder) -> Job:
    """A plan's job, with everything filled in that it needs to run anywhere."""
    config = lab.loaded.config
    pairs = [
        (suite, program) for suite in planned.suites for program in config.suites[suite].programs
    ]
    compiled = lab.programs(planned.suites)
    spec = lab.guest_spec(built, planned.machine, folder.path, compiled)
    version = KernelVersion.of_release(built.release)
    recipes = [
        _recipe(name, config.filesystems[name]).for_kernel(version, lab.cache)
        for name in planned.filesystems
    ]
    units = [Unit(recipe, suite, name) for recipe in recipes for suite, name in pairs]
    failed = compiled.failed
    return Job(
        variant=str(planned.variant),
        machine=planned.machine,
        config=planned.config,
        release=built.release,
        guest=spec,
        units=tuple(unit for unit in units if unit.program not in failed),
        given=tuple((unit, failed[unit.program]) for unit in units if unit.program in failed),
        pattern=planned.pattern,
        program_s=config.deadlines.program,
        expect=config.expect,
        evidence=replace(
            _evidence(built, spec, folder, compiled.digests(name for _, name in pairs)),
            patches=tuple(_patches(lab, built.job.series)),
        ),
        fresh=config.machines[planned.machine].fresh,
        benign=tuple(Benign.make(row.title, row.versions, row.reason) for row in config.benign),
        settle_s=config.deadlines.settle,
        stall_s=config.deadlines.stall,
    )


def _recipe(name: str, section: Filesystem) -> Recipe:
    return Recipe(name, section.type, section.mkfs, section.options)


def _patches(lab: Lab, applied: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, digest in applied:
        series = lab.series(name)
        # One that was edited since is not what was built.
        if series.digest == digest:
            yield from ((f"{name}/{patch.name}", patch.digest) for patch in series.patches)


def _evidence(
    built: Build, spec: GuestSpec, folder: JobFolder, programs: tuple[tuple[str, str], ...]
) -> Evidence:
    job, guest = built.job, spec.describe()
    return Evidence(
        accelerator=guest.accelerator,
        qemu_version=spec.version(),
        machine_description=guest.hardware,
        build_key=built.key,
        tree_identity=job.tree.identity,
        tree_signature=job.tree.signature,
        config_digest=job.config_digest,
        series_digests=job.series,
        compiler=job.toolchain.compiler,
        console_path=folder.relative(folder.console),
        ktap_path=folder.relative(folder.path),
        kernel_log_path=folder.relative(folder.kernel_log),
        programs_digest=hashlib.sha256(repr(programs).encode()).hexdigest()[:24],
        programs=programs,
        image_digest=guest.image,
        cost=() if built.cached else (("build_s", round(built.duration_s, 3)),),
    )


def _keep_recipe(lab: Lab, planned: JobPlan, built: Build, folder: JobFolder, job: Job) -> None:
    """Write what it takes to repeat the job by hand."""
    made = built.job
    digests = keep_build(folder, built)
    recipe = {
        "variant": job.variant,
        "release": job.release,
        "tree": made.tree.identity,
        "version": str(made.tree.version),
        "source": lab.loaded.config.kernels[planned.variant.kernel].model_dump(mode="json"),
        # As lab.toml has it: "$NAME" is for whoever repeats it to have a value for.
        "environment": {**dict(made.toolchain.env), **KBUILD_ENVIRONMENT},
        "cc": made.toolchain.cc,
        "compiler": made.toolchain.compiler,
        "mends": [str(mend) for mend in made.mends.applied],
        "kernel_flags": list(made.mends.kernel_flags),
        "host_flags": list(made.mends.host_flags),
        "sha256": digests,
        **job.guest.recipe(),
        "units": [
            {
                "filesystem": unit.recipe.name,
                "type": unit.recipe.type,
                "mount_point": unit.recipe.mount_point,
                "set_up": unit.recipe.script(),
                "suite": unit.suite,
                "program": unit.program,
            }
            for unit in job.units
        ],
        "fresh": job.fresh.value,
        "pattern": job.pattern,
        "program_s": job.program_s,
    }
    write_json(folder.recipe, recipe)


def _unbuilt(planned: JobPlan, failure: Failure | None) -> JobRecord:
    """The record of a job that had nothing to boot."""
    return JobRecord(
        variant=planned.variant,
        kernel_release="",
        machine=planned.machine,
        config=planned.config,
        started=now(),
        duration_s=0.0,
        error=str(failure.error) if failure else None,
        given=failure is not None and isinstance(failure.error, UserError),
    )


def _new_run(lab: Lab, plan: Plan, command: Sequence[str]) -> RunRecord:
    run_id = new_run_id()
    return RunRecord(
        id=run_id,
        started=now(),
        command=tuple(command),
        lab_version=package.__version__,
        host=Host.this(),
        plan=tuple(plan.describe()),
        folder=str(RunFolder(lab.results, run_id).path),
    )
