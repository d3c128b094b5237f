# SPDX-License-Identifier: GPL-2.0-only
"""A test that ran several times in one job: its results together are one, and a rate.

One that passed 99 times of 100 has not passed.  What is recorded are all its results; who
reads them as one result a test reads them through here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lab.model.rate import Rate
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import Status

#: Which of several ends that are not as expected is told: a word on the kernel before an error.
_TOLD = (Status.CRASH, Status.TIMEOUT, Status.FAIL, Status.SKIP, Status.PASS, Status.ERROR)


@dataclass(frozen=True)
class Repeated:
    """A test that ran more than once in a job, its results in the order they came."""

    results: tuple[TestResult, ...]

    @property
    def first(self) -> TestResult:
        """One of them, for its names."""
        return self.results[0]

    @property
    def rate(self) -> Rate | None:
        """How often it ended as it should; an error of the lab's is no time that it ran."""
        words = [one for one in self.results if one.status is not Status.ERROR]
        return Rate(sum(one.as_expected for one in words), len(words)) if words else None

    @property
    def surprises(self) -> tuple[TestResult, ...]:
        """The results that are not as expected."""
        return tuple(one for one in self.results if not one.as_expected)

    @property
    def result(self) -> TestResult:
        """All of them as one: the worst that is not as expected, and how often that came."""
        if len(self.results) == 1:
            return self.results[0]
        told = min(self.surprises or self.results, key=lambda one: _TOLD.index(one.status))
        mean_s = sum(one.duration_s for one in self.results) / len(self.results)
        often = self._often() if is_mixed(self.results) else ""
        message = ": ".join(filter(None, (often, told.message)))
        return replace(told, duration_s=round(mean_s, 3), message=message)

    def line(self) -> str:
        """``97/100 [91.5%, 99%], 1 error of the lab``: how often as expected."""
        errors = sum(one.status is Status.ERROR for one in self.results)
        noun = "error" if errors == 1 else "errors"
        said = (str(self.rate or ""), f"{errors} {noun} of the lab" if errors else "")
        return ", ".join(filter(None, said))

    def _often(self) -> str:
        """``1 of 100``, and of what where there are several."""
        counts = Counter(one.status for one in self.surprises)
        if len(counts) == 1:
            return f"{counts.total()} of {len(self.results)}"
        ends = " and ".join(f"{count} {status}" for status, count in counts.items())
        return f"{ends} of {len(self.results)}"


def is_mixed(results: Iterable[TestResult]) -> bool:
    """Whether a test ended in more than one way."""
    return len({one.status for one in results}) > 1


def pooled(run: RunRecord) -> RunRecord:
    """The run with one result a test, in each of its jobs."""
    jobs = tuple(_pooled_job(job) for job in run.jobs)
    return replace(run, jobs=jobs)


def _pooled_job(job: JobRecord) -> JobRecord:
    found = by_test(job.results)
    if len(found) == len(job.results):
        return job
    as_one = (Repeated(ends).result if ends[1:] else ends[0] for ends in found)
    return replace(job, results=tuple(as_one))


def repeated(job: JobRecord) -> Iterator[Repeated]:
    """The tests of a job that ran more than once."""
    return (Repeated(ends) for ends in by_test(job.results) if ends[1:])


def by_test(results: Iterable[TestResult]) -> list[tuple[TestResult, ...]]:
    """The results of each test, in the order it first came; what did not run is on its own.

    Without its program nobody knows whether two results are of one test: older labs kept none.
    """
    found: dict[tuple[object, ...], list[TestResult]] = {}
    for place, one in enumerate(results):
        own = place if not (one.ran and one.program) else None
        key = (one.filesystem, one.suite, one.program, one.test, own)
        found.setdefault(key, []).append(one)
    return [tuple(ends) for ends in found.values()]
