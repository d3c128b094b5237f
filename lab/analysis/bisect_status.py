# SPDX-License-Identifier: GPL-2.0-only
"""What a run says to ``git bisect run`` of the commit it was of."""

from __future__ import annotations

from enum import IntEnum

from lab.analysis.run_status import (
    count_errors,
    is_unexpected,
    job_complaints,
    unbuilt_jobs,
    uncompiled_programs,
    unrun,
)
from lab.model.records import JobRecord, RunRecord
from lab.model.scale import Worth
from lab.model.status import Status


class BisectStatus(IntEnum):
    """Exit statuses as git-bisect(1) reads them: 1 to 127 but 125 is bad, 128 and up end it."""

    GOOD = Worth.GOOD.value.git
    BAD = Worth.BAD.value.git
    SKIP = Worth.NEITHER.value.git
    ABORT = Worth.UNKNOWN.value.git


def bisect_status(run: RunRecord) -> BisectStatus:
    """What a run says of its kernels.

    A kernel that does not build, or whose patches do not apply, says nothing of what was
    asked, and one that never came to run a program, or skipped a test, neither, nor one in
    which a test broke off: it is to be skipped.  What this machine or the lab could not do
    says nothing of any commit, and the next would get the same: git is told to stop, and
    goes on with the same command later.
    """
    if any(came_to_run(job) for job in run.jobs if _is_bad(job)):
        return BisectStatus.BAD
    if any(is_unexpected(result) for result in run.results) or job_complaints(run):
        return BisectStatus.SKIP
    if uncompiled_programs(run):
        return BisectStatus.ABORT
    if unbuilt_jobs(run):
        return BisectStatus.SKIP
    return BisectStatus.ABORT if count_errors(run) or unrun(run) else BisectStatus.GOOD


def came_to_run(job: JobRecord) -> bool:
    """Whether a guest of a job was there for its programs: it had booted."""
    return bool(job.evidence.guests)


def _is_bad(job: JobRecord) -> bool:
    told = any(noted.of_job for noted in job.complaints)
    return told or any(
        is_unexpected(result) and result.status is not Status.SKIP and not result.broke_off
        for result in job.results
    )
