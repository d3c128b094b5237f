# SPDX-License-Identifier: GPL-2.0-only
"""A run: a plan's jobs, done and recorded one by one."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import connection
from typing import TYPE_CHECKING

import lab as package
from lab.build import Build
from lab.build.key import KBUILD_ENVIRONMENT
from lab.complaints.benign import Benign
from lab.config.model import Filesystem, Status
from lab.errors import InfrastructureError, UserError
from lab.guest import GuestSpec
from lab.guest.accelerator import qemu_version
from lab.guest.qemu import kernel_arguments
from lab.plan import BuildRequest, JobPlan, Plan
from lab.report import to_json
from lab.results import (
    Evidence,
    Host,
    JobFolder,
    JobRecord,
    Recorder,
    RunFolder,
    RunRecord,
    new_run_id,
    now,
    write_json,
    write_junit,
    write_text,
)
from lab.results.keep import keep_build, keep_programs
from lab.suites.filesystem import Recipe
from lab.suites.job import Job, Unit, run_job
from lab.version import KernelVersion

if TYPE_CHECKING:
    from lab.lab import Failure, Lab

    Builds = Mapping[BuildRequest, Build | Failure]


def run_plan(lab: Lab, plan: Plan, command: Sequence[str]) -> RunRecord:
    """Build what the plan needs, run its jobs, record each as it ends.

    A kill keeps the jobs that ended; the run then stays unfinished.
    """
    suites = dict.fromkeys(suite for job in plan.jobs for suite in job.suites)
    for error in lab.programs(suites).failed.values():
        # Now, and not when the kernels are built.
        lab.listener.say(str(error))
    builds = lab.build_all(plan)
    started, done = _begun(lab, plan, builds) or (_new_run(lab, plan, command), {})
    folder = RunFolder(lab.results, started.id)
    if started.finished and folder.document.is_file():
        return started
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
            for number, record in _records(lab, plan, builds, folder, recorder, done):
                path = folder.job(number, record.variant).record
                recorder.kept(partial(write_json, path, asdict(record)))
                recorder.add_job(record)
            run = recorder.finish()
            recorder.kept(lambda: write_junit(run, folder.junit))
            recorder.kept(lambda: write_json(folder.document, to_json(run)))
            return recorder.with_troubles(run)


def _begun(lab: Lab, plan: Plan, builds: Builds) -> tuple[RunRecord, dict[int, JobRecord]] | None:
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
    for record in killed.jobs:
        number = left.pop((record.variant, record.machine, record.config), None)
        if number is None or not _would_be_the_same(lab, plan.jobs[number], builds, record, folder):
            return None
        done[number] = record
    lab.listener.say(f"going on with {killed.id}: {len(done)} of {len(plan.jobs)} jobs are done")
    return killed, done


def _would_be_the_same(
    lab: Lab, planned: JobPlan, builds: Builds, record: JobRecord, folder: RunFolder
) -> bool:
    built = builds[planned.build]
    if not isinstance(built, Build) or record.error is not None:
        return False
    job = make_job(lab, planned, built, folder.job(0, record.variant))
    return job.evidence.setup == record.evidence.setup and all(
        result.status is not Status.ERROR
        and job.expected(result.filesystem, result.suite, result.test)
        == (result.expected, result.reason)
        for result in record.results
    )


def _records(
    lab: Lab,
    plan: Plan,
    builds: Builds,
    folder: RunFolder,
    recorder: Recorder,
    done: Collection[int],
) -> Iterator[tuple[int, JobRecord]]:
    """The record of each job that is not done, with its number, as it ends."""
    jobs = {}
    width = min(len(plan.jobs), lab.guests_at_once(plan))
    ahead = lab.starts_ahead(plan, width)
    for number, planned in enumerate(plan.jobs):
        if number in done:
            continue
        built = builds[planned.build]
        if isinstance(built, Build):
            place = folder.job(number, str(planned.variant))
            shutil.rmtree(place.path, ignore_errors=True)  # what a killed run left
            job = make_job(lab, planned, built, place)
            jobs[number] = replace(job.stretched(lab.load(planned, width)), ahead=ahead)
            recorder.kept(partial(_keep_recipe, lab, planned, built, place, job))
        else:
            yield number, _unbuilt(planned, built)
    width = min(len(jobs), width)
    if width <= 1:
        for number, job in jobs.items():
            lab.listener.say(f"{job.variant}: booting")
            yield number, run_job(job, lab.listener.result)
    else:
        yield from _side_by_side(lab, jobs, width)


def _side_by_side(lab: Lab, jobs: Mapping[int, Job], width: int) -> Iterator[tuple[int, JobRecord]]:
    """Jobs in a pool of processes: each one's guests die with its process."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(width, mp_context=spawn, initializer=_follow_parent)
    try:
        numbers = {pool.submit(run_job, job): number for number, job in jobs.items()}
        lab.listener.say(f"{len(jobs)} guests, {width} at once")
        for done in as_completed(numbers):
            try:
                record = done.result()
            except BrokenProcessPool as error:
                raise InfrastructureError(
                    "a process that ran a guest was killed",
                    hint="fewer guests at once (guests in lab.toml), if memory ran out",
                ) from error
            for result in record.results:
                lab.listener.result(result)
            yield numbers[done], record
    except BaseException:
        # A worker may be in the middle of a boot: do not wait for it.
        for process in pool._processes.values():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Make this worker die with the lab, kill -9 included; a Ctrl-C is the lab's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_after, args=(parent.sentinel,), daemon=True).start()


def _die_after(sentinel: int) -> None:
    connection.wait([sentinel])
    # Its guests go with it: nothing holds their lifelines then.
    os._exit(1)


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
        evidence=_evidence(built, spec, folder, compiled.digests(name for _, name in pairs)),
        fresh=config.machines[planned.machine].fresh,
        benign=tuple(Benign.make(row.title, row.versions, row.reason) for row in config.benign),
        settle_s=config.deadlines.settle,
        stall_s=config.deadlines.stall,
    )


def _recipe(name: str, section: Filesystem) -> Recipe:
    return Recipe(name, section.type, section.mkfs, section.options)


def _evidence(
    built: Build, spec: GuestSpec, folder: JobFolder, programs: tuple[tuple[str, str], ...]
) -> Evidence:
    job = built.job
    return Evidence(
        accelerator=spec.hardware.accelerator,
        qemu_version=qemu_version().removeprefix("QEMU emulator version "),
        machine_description=spec.hardware.describe(),
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
        image_digest=spec.image.stem,
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
        "hardware": asdict(job.guest.hardware),
        "arguments": kernel_arguments(job.guest.hardware, job.guest.append),
        "prepare": job.guest.prepare,
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


def _unbuilt(planned: JobPlan, failure: Failure) -> JobRecord:
    """The record of a job that had nothing to boot."""
    return JobRecord(
        variant=str(planned.variant),
        kernel_release="",
        machine=planned.machine,
        config=planned.config,
        started=now(),
        duration_s=0.0,
        error=str(failure.error),
        given=isinstance(failure.error, UserError),
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
