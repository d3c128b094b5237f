# SPDX-License-Identifier: GPL-2.0-only
"""What got worse is repeated before it is told, and put beside the night's results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from lab.config.model import Status
from lab.plan import JobPlan, Plan
from lab.results import Change, Compared, JobRecord, RunRecord, TestKey, TestResult, compare

_DEAD = frozenset({Status.CRASH, Status.TIMEOUT})


def doubtful(before: RunRecord, night: RunRecord) -> tuple[TestKey, ...]:
    """The tests to repeat: what got worse or is not as expected, and errors of the lab."""
    return tuple(test.key for test in compare(before, night).tests if _is_doubtful(test))


def _is_doubtful(test: Compared) -> bool:
    if any(result.status is Status.ERROR for result in test.after):
        return True
    return test.change is Change.REGRESSED or (test.change is not Change.SAME and test.surprising)


def rerun_plan(plan: Plan, keys: Iterable[TestKey], times: int) -> Plan | None:
    """The guests that repeat these tests, each so many times; None when there is nothing.

    What ran before them in the same guest runs before them again: alone, a test that
    stumbles over what another left behind would pass.
    """
    wanted: dict[tuple[str, ...], set[str]] = {}
    for key in keys:
        wanted.setdefault((*key.job, key.filesystem), set()).add(key.suite)
    jobs = tuple(
        replace(job, filesystems=(name,), suites=_up_to_the_last(job, wanted[place]))
        for job in plan.jobs
        for name in job.filesystems
        if (place := (str(job.variant), job.machine, job.config, name)) in wanted
    )
    return Plan(f"{plan.name}, again", jobs * times) if jobs and times else None


def _up_to_the_last(job: JobPlan, suites: Collection[str]) -> tuple[str, ...]:
    last = max(index for index, suite in enumerate(job.suites) if suite in suites)
    return job.suites[: last + 1]


def together(night: RunRecord, reruns: RunRecord | None, doubted: Collection[TestKey]) -> RunRecord:
    """The night with what its reruns showed of the doubted tests, and of what it lost.

    A test that has any result of the kernel's has no error: an error is the want of one.
    """
    found = _results(night.jobs)
    for job in reruns.jobs if reruns else ():
        again = _results([job])
        _add(found, again, set(doubted))
    settled = {key: _settled(results) for key, results in found.items()}
    return replace(night, jobs=tuple(_with(job, settled) for job in night.jobs))


def _results(jobs: Iterable[JobRecord]) -> dict[TestKey, list[TestResult]]:
    found: dict[TestKey, list[TestResult]] = {}
    for job in jobs:
        for result in job.results:
            found.setdefault(TestKey.of(job, result), []).append(result)
    return found


def _add(
    found: dict[TestKey, list[TestResult]],
    again: dict[TestKey, list[TestResult]],
    doubted: Collection[TestKey],
) -> None:
    """Add what one repetition showed."""
    ended = _ended(again)
    for key in doubted:
        if key.group in ended and key not in again and found.get(key):
            _add_end(found, key)
    for key, results in again.items():
        if key in doubted or (_has_word(results) and not _has_word(found.get(key, ()))):
            found.setdefault(key, []).extend(results)


def _ended(again: dict[TestKey, list[TestResult]]) -> set[tuple[str, ...]]:
    """The suites that came to their end in a repetition."""
    wrong = {
        key.group
        for key, results in again.items()
        if any(result.status in _DEAD or result.status is Status.ERROR for result in results)
    }
    return {key.group for key in again} - wrong


def _add_end(found: dict[TestKey, list[TestResult]], key: TestKey) -> None:
    """A result that only a dead or stumbled program has: this time it came to its end."""
    first = found[key][0]
    if first.status in _DEAD:
        text = "came to its end when it was repeated"
        found[key].append(replace(first, status=Status.PASS, message=text))
    elif first.status is Status.ERROR:
        # There is nothing to say of it any more.
        found[key] = [result for result in found[key] if result.status is not Status.ERROR]


def _has_word(results: Iterable[TestResult]) -> bool:
    return any(result.status is not Status.ERROR for result in results)


def _settled(results: list[TestResult]) -> tuple[TestResult, ...]:
    words = tuple(result for result in results if result.status is not Status.ERROR)
    return words or tuple(results[:1])


def _with(job: JobRecord, settled: dict[TestKey, tuple[TestResult, ...]]) -> JobRecord:
    place = (job.variant, job.machine, job.config)
    return replace(job, results=tuple(_of_job(settled, place)))


def _of_job(
    settled: dict[TestKey, tuple[TestResult, ...]], place: tuple[str, ...]
) -> Iterator[TestResult]:
    for key, results in settled.items():
        if key.job == place:
            yield from results
