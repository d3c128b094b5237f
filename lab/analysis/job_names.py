# SPDX-License-Identifier: GPL-2.0-only
"""What results are called after for a reader where a variant has more than one job."""

from __future__ import annotations

from dataclasses import replace

from lab.model.job_name import axes_of
from lab.model.records import JobRecord, RunRecord


def jobs_apart(run: RunRecord) -> RunRecord:
    """The run, with machine and config in what results say of their kernel, where these differ.

    A result knows its variant alone: without it, those of two jobs would be told as of one.
    """
    if not axes_of(job.around for job in run.jobs):
        return run
    return replace(run, jobs=tuple(map(_named, run.jobs)))


def _named(job: JobRecord) -> JobRecord:
    return replace(job, results=tuple(replace(one, variant=job.name) for one in job.results))
