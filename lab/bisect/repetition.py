# SPDX-License-Identifier: GPL-2.0-only
"""The repetitions in a run's record, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.analysis.repeated import by_test
from lab.model.records import JobRecord, RunRecord


def repetitions(run: RunRecord) -> Iterator[JobRecord]:
    """The jobs of a run, of one that repeats its tests each repetition as a job of its own.

    Complaints are with each: which repetition one belongs to, results say.
    """
    for job in run.jobs:
        ends = by_test(tuple(one for one in job.results if one.ran))
        count = max(map(len, ends), default=1)
        for number in range(count):
            results = tuple(one[number] for one in ends if number < len(one))
            yield replace(job, results=results)
