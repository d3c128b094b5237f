# SPDX-License-Identifier: GPL-2.0-only
"""Results that an earlier run has of the very same: nothing that shapes one may differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import lab as package
from lab.build import find_build
from lab.builder import Builder
from lab.errors import LabError
from lab.execution.job import Job
from lab.execution.jobs import guests_at_once
from lab.execution.prepare import Preparer
from lab.execution.surroundings import surrounded
from lab.model.records import Host, JobRecord, RunRecord
from lab.model.status import Status
from lab.model.url import Url
from lab.model.variant import Variant
from lab.plan import JobPlan, Plan
from lab.results import RunFolder
from lab.unforeseen import as_lab_error

#: What says the same whenever it is asked.  A death may be of anything, once.
_STEADY = frozenset({Status.PASS, Status.FAIL, Status.SKIP})
#: Runs of one setup that are compared with each other.
_MOST_RUNS = 20


@dataclass(frozen=True)
class Reused:
    """A job's record, as of the variant that is asked about now; ``run`` is where it is from."""

    run: str
    record: JobRecord


def known_results(builder: Builder, plan: Plan) -> dict[Variant, Reused]:
    """The jobs of a plan that need no guest: a run that came to its end has their results.

    Only where the build, and so each byte of source, config and toolchain, and all of the
    setup are the same, on this host, with this lab and these expectations; where all that was
    planned ran; where nothing died, complained or timed out; and where no two runs of that
    setup differ.  What is not built, or cannot be looked up, is not known.
    """
    if len({job.around for job in plan.jobs}) > 1:
        # A variant names no one of them.
        return {}
    jobs = {job: made for job in plan.jobs if (made := _job_now(builder, plan, job)) is not None}
    database = builder.loaded.database
    if not jobs or not (isinstance(database, Url) or database.is_file()):
        return {}
    # SQLAlchemy: a plan that has nothing built yet need not wait for it.
    from lab.results import Store

    try:
        with Store.open(database) as store:
            found = {
                planned.variant: reused
                for planned, job in jobs.items()
                if (reused := _known(planned, job, store.of_setup(job.evidence.setup, _MOST_RUNS)))
            }
    except LabError as error:
        builder.listener.say(f"it is not known what earlier runs say: {error.what}")
        return {}
    left = tuple(job for job in plan.jobs if job.variant not in found)
    # The others' deadlines would not be those of these.
    return found if not left or _load(builder, replace(plan, jobs=left)) == 1 else {}


def _load(builder: Builder, plan: Plan) -> float:
    """How many times slower its guests are than alone, once all is built."""
    config, capacity = builder.loaded.config, builder.capacity
    width = min(len(plan.jobs), guests_at_once(builder.loaded, plan, capacity))
    cpus = max(config.machines[job.machine].cpus for job in plan.jobs)
    return capacity.load(width * cpus)


def _job_now(builder: Builder, plan: Plan, planned: JobPlan) -> Job | None:
    """What would be run now; None where that has to be built first."""
    try:
        asked = planned.build
        built = find_build(builder.build_job(asked.variant, asked.config, asked.fragments))
        if built is None:
            return None
        folder = RunFolder(builder.loaded.results, "").job(0, planned.variant)
        return surrounded(Preparer(builder).job(planned, built, folder))
    except LabError:
        # The run comes to it, too, and says what it is.
        return None
    except Exception as error:
        builder.listener.say(f"{planned.variant}: {as_lab_error(error).what}")
        return None


def _known(
    planned: JobPlan, job: Job, recorded: Sequence[tuple[RunRecord, JobRecord]]
) -> Reused | None:
    """The last of these records, where it is what would come of the job now."""
    if not recorded or len({_ends(record) for _, record in recorded}) != 1:
        return None
    run, record = recorded[0]
    if not (_is_of_here(run) and _is_whole(run, record, planned) and _is_same(record, job)):
        return None
    evidence = replace(
        record.evidence,
        series_digests=job.evidence.series_digests,
        patches=job.evidence.patches,
    )
    results = tuple(replace(result, variant=planned.variant) for result in record.results)
    found = replace(record, variant=planned.variant, evidence=evidence, results=results)
    return Reused(run.id, found)


def _ends(record: JobRecord) -> frozenset[tuple[tuple[str, ...], Status]]:
    return frozenset(
        ((result.filesystem, result.suite, result.program, result.test), result.status)
        for result in record.results
    )


def _is_of_here(run: RunRecord) -> bool:
    same = run.lab_version == package.__version__ and run.host == Host.this()
    return same and run.finished is not None and not run.troubles


def _is_whole(run: RunRecord, record: JobRecord, planned: JobPlan) -> bool:
    """Whether just this was planned, and all of it ran to a steady end."""
    asked = [replace(job, variant=planned.variant) for job in run.question
             if job.names == record.names]  # fmt: skip
    return (
        asked == [planned]
        and record.error is None
        and bool(record.results)
        and all(result.ran and result.status in _STEADY for result in record.results)
        and all(noted.benign and not noted.doubtful for noted in record.complaints)
        and not record.evidence.left_mounted
    )


def _is_same(record: JobRecord, job: Job) -> bool:
    """Whether setup and expectations are those of now."""
    return record.evidence.setup == job.evidence.setup and all(
        job.expected(result.filesystem, result.suite, result.test)
        == (result.expected, result.reason)
        for result in record.results
    )


def told(found: Mapping[Variant, Reused]) -> Iterator[str]:
    """A line for each job that is not done again."""
    for variant, reused in found.items():
        yield f"{variant}: results of {reused.run}, of the same build and setup (--again: anew)"
