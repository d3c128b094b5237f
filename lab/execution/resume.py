# SPDX-License-Identifier: GPL-2.0-only
"""Which killed run a plan goes on with: none that would not be the same now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lab.build import Build
from lab.builder import Failure
from lab.config import LoadedConfig
from lab.errors import LabError
from lab.execution.prepare import Preparer
from lab.execution.surroundings import CPU, DEADLINES, surrounded
from lab.model.planned import Planned
from lab.model.records import Evidence, JobRecord, RunRecord
from lab.model.unrun import Unrun
from lab.plan import BuildRequest, JobPlan, Plan
from lab.process.stored import read_stored
from lab.results import RunFolder
from lab.results.recover import newest_folder


@dataclass(frozen=True)
class _Started:
    """What of a run's file is asked here."""

    planned: Planned | None = None


def unfinished(loaded: LoadedConfig, plan: Plan, say: Callable[[str], None]) -> RunRecord | None:
    """The last run of all, if it was of this plan and did not come to its end.

    What the folders say is asked first: the database takes half a second to open.
    """
    folder = newest_folder(loaded.results)
    if folder is None or folder.document.is_file() or folder.is_running():
        return None
    started = read_stored(folder.record, _Started)
    if started is None or started.planned is None or not started.planned.is_as(plan.recorded()):
        return None
    # SQLAlchemy: most runs find nothing to go on with, and open it in a thread.
    from lab.results import Store

    try:
        with Store.open(loaded.database) as store:
            return store.load(folder.run_id) if folder.run_id in store.known() else None
    except LabError as error:
        # All is done anew, then; what recording comes to, the run says.
        say(f"it is not known what {folder.run_id} had done: {error.what}")
        return None


def begun(
    killed: RunRecord | None,
    plan: Plan,
    builds: Mapping[BuildRequest, Build | Failure],
    preparer: Preparer,
) -> tuple[RunRecord, dict[int, JobRecord]] | None:
    """The killed run that this plan goes on with, and its jobs that count, by number.

    None unless each of them would be the same now: the same build, machine, programs and
    expectations.  One in which the lab had an error is done anew.
    """
    if killed is None or killed.planned is None or not killed.planned.is_as(plan.recorded()):
        return None
    folder = RunFolder(preparer.builder.loaded.results, killed.id)
    if folder.is_running() or not folder.record.is_file():
        return None
    left = {job.names: n for n, job in enumerate(plan.jobs)}
    done = {}
    ended = [record for record in killed.jobs if not record.interrupted]
    for record in ended:
        number = left.pop(record.names, None)
        if number is None or not _would_be_the_same(
            preparer, plan.jobs[number], builds, record, folder
        ):
            return None
        done[number] = record
    if not done:
        return None
    preparer.builder.listener.say(
        f"going on with {killed.id}: {len(done)} of {len(plan.jobs)} jobs are done"
    )
    return replace(killed, jobs=tuple(ended)), done


def _would_be_the_same(
    preparer: Preparer,
    planned: JobPlan,
    builds: Mapping[BuildRequest, Build | Failure],
    record: JobRecord,
    folder: RunFolder,
) -> bool:
    built = builds[planned.build]
    if not isinstance(built, Build) or record.error is not None:
        return False
    job = surrounded(preparer.job(planned, built, folder.job(0, record.variant)))
    # How many run side by side, and so their deadlines, is of the moment.
    theirs = {**dict(job.evidence.surroundings), **_of_the_moment(record.evidence)}
    qemu = (record if record.evidence.host else job).evidence.qemu_version
    evidence = replace(job.evidence, surroundings=tuple(theirs.items()), qemu_version=qemu)
    return evidence.setup == record.evidence.setup and all(
        (result.has_word or not result.ran)
        and result.unrun is not Unrun.ENOUGH
        and job.expected(result.filesystem, result.suite, result.test)
        == (result.expected, result.reason)
        for result in record.results
    )


def _of_the_moment(evidence: Evidence) -> dict[str, str]:
    """What another host that ran it would have had otherwise: of a cluster it was any."""
    names = (DEADLINES, CPU) if evidence.host else (DEADLINES,)
    return {name: value for name, value in evidence.surroundings if name in names}
