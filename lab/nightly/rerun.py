# SPDX-License-Identifier: GPL-2.0-only
"""What got worse is repeated before it is told, and put beside the night's results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from lab.analysis.compare import Change, Compared, compare, results_of
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import DEAD, Status
from lab.model.test_key import TestKey
from lab.plan import JobPlan, Plan


def doubtful(before: RunRecord, night: RunRecord) -> tuple[TestKey, ...]:
    """The tests to repeat: what got worse or is not as expected, and errors of the lab."""
    return tuple(test.key for test in compare(before, night).tests if _is_doubtful(test))


def _is_doubtful(test: Compared) -> bool:
    if not all(result.has_word for result in test.after):
        return True
    return test.change is Change.REGRESSED or (test.change is not Change.SAME and test.surprising)


def rerun_plan(plan: Plan, keys: Iterable[TestKey], times: int) -> Plan | None:
    """The guests that repeat these tests, each so many times; None when there is nothing.

    What ran before them in the same guest runs before them again: alone, a test that
    stumbles over what another left behind would pass.
    """
    wanted: dict[tuple[str, ...], set[TestKey]] = {}
    for key in keys:
        wanted.setdefault(key.job, set()).add(key)
    jobs = tuple(
        again
        for job in plan.jobs
        if (found := wanted.get(job.names))
        for again in _again(job, found)
    )
    return Plan(f"{plan.name}, again", jobs * times) if jobs and times else None


def _again(job: JobPlan, keys: Collection[TestKey]) -> Iterator[JobPlan]:
    if any(key.is_complaint for key in keys):
        # It came while no program ran: nobody knows what of the job it takes.
        yield job
        return
    for name in job.used_filesystems:
        suites = {key.suite for key in keys if key.filesystem == name}
        if suites:
            there = tuple(one for one in job.filesystems if one == name)
            yield replace(job, filesystems=there, suites=_up_to_the_last(job, name, suites))


def _up_to_the_last(job: JobPlan, filesystem: str, suites: Collection[str]) -> tuple[str, ...]:
    ran = tuple(suite for place, suite in job.places if place == filesystem)
    last = max(index for index, suite in enumerate(ran) if suite in suites)
    return ran[: last + 1]


def together(night: RunRecord, reruns: RunRecord | None, doubted: Collection[TestKey]) -> RunRecord:
    """The night with what its reruns showed of the doubted tests, and of what it lost.

    A test that has any result of the kernel's has no error: an error is the want of one.
    The kernel's complaints that no test tells of are results in it, of crashes.
    """
    found = _results(night.jobs)
    of_job = _by_job(set(doubted))
    for job in reruns.jobs if reruns else ():
        again = _results([job])
        _add(found, again, {key for place in _by_job(again) for key in of_job.get(place, ())})
    keys = _by_job(found)
    return replace(night, jobs=tuple(_with(job, keys, found) for job in night.jobs))


def _by_job(keys: Iterable[TestKey]) -> dict[tuple[str, ...], list[TestKey]]:
    """The keys of each job, in their order."""
    jobs: dict[tuple[str, ...], list[TestKey]] = {}
    for key in keys:
        jobs.setdefault(key.job, []).append(key)
    return jobs


def _results(jobs: Iterable[JobRecord]) -> dict[TestKey, list[TestResult]]:
    found: dict[TestKey, list[TestResult]] = {}
    for job in jobs:
        for result in results_of(job):
            found.setdefault(TestKey.of(job, result), []).append(result)
    return found


def _add(
    found: dict[TestKey, list[TestResult]],
    again: dict[TestKey, list[TestResult]],
    doubted: Collection[TestKey],
) -> None:
    """Add what one repetition showed."""
    ended = _ends(again)
    for key in doubted:
        if key not in again and found.get(key) and _place(key) in ended:
            _add_end(found, key)
    for key, results in again.items():
        if key in doubted or (_has_word(results) and not _has_word(found.get(key, ()))):
            found.setdefault(key, []).extend(results)


def _ends(again: dict[TestKey, list[TestResult]]) -> set[tuple[str, ...]]:
    """The jobs, and the suites' runs in them, that a repetition came to the end of."""
    places: dict[tuple[str, ...], bool] = {}
    for key, results in again.items():
        stumbled = any(one.status in DEAD or one.status is Status.ERROR for one in results)
        for place in (key.job, key.group):
            places[place] = places.get(place, True) and not stumbled
    return {place for place, whole in places.items() if whole}


def _place(key: TestKey) -> tuple[str, ...]:
    """What has to come to its end for the key to have."""
    # A complaint may come from anything in its job, any other result from its suite.
    return key.job if key.is_complaint else key.group


def _add_end(found: dict[TestKey, list[TestResult]], key: TestKey) -> None:
    """A result that only a dead or stumbled program has: this time it came to its end."""
    first = found[key][0]
    if first.status in DEAD or first.stopped:
        text = "came to its end when it was repeated"
        good = replace(first, status=Status.PASS, message=text, complaint="")
        good = replace(good, signal="", broke_off="")
        found[key].append(good)
    elif not first.has_word:
        # There is nothing to say of it any more.
        found[key] = [result for result in found[key] if result.has_word]


def _has_word(results: Iterable[TestResult]) -> bool:
    return any(result.has_word for result in results)


def _settled(results: list[TestResult]) -> tuple[TestResult, ...]:
    words = tuple(result for result in results if result.has_word)
    return words or tuple(results[:1])


def _with(
    job: JobRecord,
    keys: dict[tuple[str, ...], list[TestKey]],
    found: dict[TestKey, list[TestResult]],
) -> JobRecord:
    mine = keys.get(job.names, ())
    results = tuple(result for key in mine for result in _settled(found[key]))
    return replace(job, results=results, complaints=())
