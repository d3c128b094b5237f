# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of a run, each made when its build is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from lab.build import Build
from lab.builder import Builds, Failure
from lab.config import LoadedConfig
from lab.errors import LabError, UserError
from lab.execution.job import Job
from lab.execution.prepare import Preparer
from lab.execution.recipe import keep_recipe
from lab.execution.run_job import unrun_job
from lab.execution.same_kernel import Bases
from lab.execution.surroundings import surrounded
from lab.host.capacity import Capacity
from lab.model.job_error import JobError
from lab.model.job_name import job_name
from lab.model.records import DID_NOT_RUN, JobRecord, TestResult, now
from lab.model.status import Status
from lab.model.unrun import SAME, Stop
from lab.plan import JobPlan, Plan
from lab.results import Recorder, RunFolder
from lab.unforeseen import as_lab_error

#: A worker has no more guests than CPUs for them, and may build beside these.
_LOAD_ELSEWHERE = 2.0


@dataclass
class Jobs:
    """The jobs of a run, each made when its build is there."""

    preparer: Preparer
    plan: Plan
    builds: Builds
    folder: RunFolder
    recorder: Recorder
    bases: Bases = field(default_factory=Bases)
    made: dict[int, Job] = field(default_factory=dict)

    @cached_property
    def width(self) -> int:
        """How many of them run side by side."""
        return min(len(self.plan.jobs), guests_at_once(self._loaded, self.plan, self._capacity))

    @property
    def elsewhere(self) -> bool:
        """Whether its jobs run on other hosts, which know themselves what they carry."""
        return self._loaded.config.executor.kind == "dask"

    @property
    def lasted(self) -> Mapping[tuple[str, str, str], float]:
        """Seconds that such jobs took the last time, where that is of use.

        On this host there are two or three at once, and the database is opened beside them.
        """
        return self.recorder.lasted() if self.elsewhere else {}

    @cached_property
    def prefetch(self) -> bool:
        """Whether memory carries the next guest of each beside them."""
        return not self.elsewhere and self._capacity.carries(
            2 * self.width, largest(self._loaded, self.plan)
        )

    @property
    def _loaded(self) -> LoadedConfig:
        return self.preparer.builder.loaded

    @property
    def _capacity(self) -> Capacity:
        return self.preparer.builder.capacity

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
            job = self._made(number, planned, built)
            if self.bases.is_again(self.plan, number, self.made, self.builds):
                evidence = replace(job.evidence, untested=SAME.why)
                return replace(unrun_job(job, SAME), results=(), evidence=evidence)
            return job
        except UserError as error:
            # A machine that a kernel cannot have is none of the others' fault.
            return _unbuilt(planned, Failure(str(planned.variant), error))
        except LabError:
            raise
        except Exception as error:
            # What nobody foresaw of one is no reason to keep the others from being tested.
            return _unbuilt(planned, Failure(str(planned.variant), as_lab_error(error)))

    def _made(self, number: int, planned: JobPlan, built: Build) -> Job:
        place = self.folder.job(number, str(planned.variant))
        shutil.rmtree(place.path, ignore_errors=True)  # what a killed run left
        job = self.preparer.job(planned, built, place)
        self.recorder.kept(partial(keep_recipe, self._loaded, planned, built, place, job))
        # Deadlines of a host that runs so many side by side, and builds beside them.
        load = self._load(planned)
        job = replace(job.stretched(load), beside=self._beside(planned))
        self.made[number] = replace(surrounded(job), prefetch=self.prefetch)
        return self.made[number]

    def _beside(self, planned: JobPlan) -> str:
        """Names what the job is compared with, and itself; "" where that is nothing."""
        base = self.bases.base_of(planned.variant)
        return "" if base is None else job_name(base, planned.machine, planned.config)

    def _load(self, planned: JobPlan) -> float:
        """How many times slower its guest is than alone, at most."""
        if self.elsewhere:
            return _LOAD_ELSEWHERE
        builder, builds = self.preparer.builder, self.builds.left
        compilers = (
            min(builds, self._capacity.builds_at_once) * builder.toolchain.jobs if builds else 0
        )
        cpus = self._loaded.config.machines[planned.machine].cpus
        return self._capacity.load(self.width * cpus + compilers)

    def unrun(self, number: int, stop: Stop, error: JobError | None = None) -> JobRecord:
        """The record of a job that was not begun; its build may not be there."""
        if number not in self.made and error is None and self.is_there(number):
            job = self.make(number)
            if isinstance(job, JobRecord):
                return job
        if number in self.made:
            return unrun_job(self.made[number], stop, error)
        planned = self.plan.jobs[number]
        results = tuple(_unrun(self._loaded, planned, stop))
        return replace(_unbuilt(planned, None), error=error, results=results)


def _unrun(loaded: LoadedConfig, planned: JobPlan, stop: Stop) -> Iterator[TestResult]:
    """What is said of each program of a job whose kernel nobody built."""
    for name, suite in planned.places:
        for program in loaded.config.suites[suite].programs:
            yield TestResult(
                variant=planned.variant,
                kernel_release="",
                filesystem=name,
                suite=suite,
                test=program,
                status=Status.ERROR,
                message=f"{DID_NOT_RUN}{stop.why}",
                program=program,
                unrun=stop.kind,
            )


def guests_at_once(loaded: LoadedConfig, plan: Plan, capacity: Capacity) -> int:
    """How many guests of a plan run side by side: what CPUs and memory carry, or ``guests``."""
    widest = max(loaded.config.machines[job.machine].cpus for job in plan.jobs)
    return capacity.guests_at_once(widest, largest(loaded, plan))


def largest(loaded: LoadedConfig, plan: Plan) -> int:
    """Bytes that the plan's largest guest may come to have."""
    machines = (loaded.config.machines[job.machine] for job in plan.jobs)
    return max(one.memory + one.nvdimm + (one.scratch or 0) for one in machines)


def _unbuilt(planned: JobPlan, failure: Failure | None) -> JobRecord:
    """The record of a job that had nothing to boot."""
    return JobRecord(
        variant=planned.variant,
        kernel_release="",
        machine=planned.machine,
        config=planned.config,
        started=now(),
        duration_s=0.0,
        error=JobError.of(failure.error) if failure else None,
    )
