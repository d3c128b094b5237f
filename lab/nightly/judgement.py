# SPDX-License-Identifier: GPL-2.0-only
"""What a night comes to: which tests changed, and what of that is news."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lab.analysis.compare import Change, Compared, compare, results_of
from lab.analysis.series_verdict import KernelVerdict
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.scale import Word
from lab.model.status import DEAD, Outcome, Status
from lab.model.test_key import TestKey
from lab.model.variant import Variant
from lab.nightly.baseline import Before
from lab.nightly.state import Flake, Memory

#: A flake that was seen no more for so many nights is forgotten.
_QUIET_NIGHTS = 10
#: What was expected to fail and has passed for so many is told once: its rule is out of date.
_OUTLIVED_NIGHTS = 14


class Kind(Word):
    """What became of a test; in the order in which they are told."""

    REGRESSED = "regressed"
    CHANGED = "changed"
    FLAKY = "flaky"
    GONE = "gone"
    NEW = "new"
    FIXED = "fixed"
    UNTESTED = "without a result"


@dataclass(frozen=True)
class Finding:
    """One test that is not as it was; ``news`` unless a night before has told it.

    ``before`` is its last word; ``after`` are all its results tonight, reruns included.
    """

    key: TestKey
    kind: Kind
    before: TestResult | None
    after: tuple[TestResult, ...]
    why: str = ""
    news: bool = True

    @property
    def surprising(self) -> bool:
        """Whether a result of the kernel's is not as ``lab.toml`` expects."""
        return any(not r.as_expected and r.has_word for r in self.after)

    @property
    def rate(self) -> Flake:
        """How many of tonight's results were bad."""
        return Flake(sum(map(_is_bad, self.after)), len(self.after))


def _is_bad(result: TestResult) -> bool:
    return result.status.is_bad or result.stopped


@dataclass(frozen=True)
class VerdictChange:
    """A series' verdict on a kernel that is not what it was."""

    kernel: str
    before: str
    after: KernelVerdict


@dataclass(frozen=True)
class Judgement:
    """What a night comes to.

    Args:
        back: Tests that have a result again, the same as before.
        surprises: Results of the kernel's that are not as expected, told before or not.
        around: What differs from the nights before beside the kernel, part by part.
    """

    findings: tuple[Finding, ...]
    back: tuple[TestKey, ...] = ()
    verdicts: tuple[VerdictChange, ...] = ()
    surprises: int = 0
    around: tuple[str, ...] = ()

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.back or self.verdicts or any(found.news for found in self.findings))

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of a kind."""
        return tuple(found for found in self.findings if found.kind is kind)


def judge_night(before: Before | None, tonight: RunRecord, memory: Memory) -> Judgement:
    """Judge a night, its reruns already in it, against the last word on each test."""
    past = before.run if before else replace(tonight, jobs=())
    comparison = compare(past, tonight)
    tests = comparison.tests
    memory = memory.naming(test.key for test in tests)
    setups = before.setups if before else {}
    programs = _programs(tonight)
    now: dict[tuple[str, ...], str] = {job.names: job.evidence.setup for job in tonight.jobs}
    findings = []
    for test in tests:
        same = setups.get(test.key, "") == now.get(test.key.job) != ""
        found = _finding(test, memory, same, programs)
        if found is not None:
            findings.append(found)
    order = {kind: place for place, kind in enumerate(Kind)}
    findings.sort(key=lambda found: (order[found.kind], not found.surprising, found.key))
    silent = {found.key for found in findings}
    back = tuple(t.key for t in tests if t.key in memory.open and t.key not in silent)
    surprises = sum(test.surprising for test in tests)
    return Judgement(tuple(findings), back, surprises=surprises, around=comparison.notes)


def _finding(
    test: Compared, memory: Memory, same_setup: bool, programs: Collection[tuple[str, str]]
) -> Finding | None:
    before = test.before[-1] if test.before else None
    kind, why = _kind(test, memory)
    if kind is Kind.GONE and _came_to_its_end(test, programs):
        kind, why = Kind.FIXED, "came to its end"
    if kind is None:
        return None
    by_kernel = kind in (Kind.REGRESSED, Kind.FIXED, Kind.CHANGED)
    if same_setup and by_kernel and test.change is not Change.SAME:
        why = "; ".join(filter(None, (why, "the kernel and its build are the same as before")))
    news = {
        Kind.UNTESTED: test.key not in memory.open,
        Kind.FLAKY: test.key not in memory.flaky,
    }.get(kind, True)
    return Finding(test.key, kind, before, test.after, why, news)


def _kind(test: Compared, memory: Memory) -> tuple[Kind | None, str]:
    known = memory.flaky.get(test.key)
    if len({result.status for result in test.after}) > 1:
        return Kind.FLAKY, f"{known} before tonight" if known else ""
    if known is not None and test.change is not Change.INFRASTRUCTURE:
        return _of_flake(test, known)
    match test.change:
        case Change.SAME:
            return _expectation(test, memory)
        case Change.REGRESSED:
            return _regressed(test)
        case Change.GONE:
            return _gone(test)
        case Change.INFRASTRUCTURE:
            return Kind.UNTESTED, test.why or (test.after[-1].message if test.after else "")
    return Kind(test.change.value), test.why if test.change in _BY_KERNEL else ""


#: What is put down to the kernel: why that may be wrong is told.
_BY_KERNEL = (Change.CHANGED, Change.FIXED)


def _of_flake(test: Compared, known: Flake) -> tuple[Kind | None, str]:
    """A test that was flaky before: once is no news, always is."""
    if test.change is Change.GONE:
        return (Kind.UNTESTED, test.why) if test.why else (None, "")
    worse = test.surprising and all(map(_is_bad, test.after))
    if worse and test.change is not Change.SAME:
        return Kind.REGRESSED, f"was flaky: {known}"
    return None, ""


def _expectation(test: Compared, memory: Memory) -> tuple[Kind | None, str]:
    """The same result, of which ``lab.toml`` has come to think otherwise, or should."""
    was, now = test.before[-1], test.after[-1]
    if was.as_expected == now.as_expected:
        if _outlived(now) and memory.outlived.get(test.key, 0) + 1 == _OUTLIVED_NIGHTS:
            said = f"it has passed for {_OUTLIVED_NIGHTS} nights, and lab.toml expects"
            return Kind.CHANGED, f"{said} {now.expected}: {now.reason}"
        return None, ""
    return Kind.CHANGED, f"lab.toml expected {was.expected}, and now {now.expected}"


def _outlived(result: TestResult) -> bool:
    """Whether it passes, and ``lab.toml`` still expects that it does not."""
    return result.status is Status.PASS and not result.as_expected


def _nights_outlived(memory: Memory, tonight: Iterable[JobRecord]) -> Iterator[tuple[TestKey, int]]:
    """For how many nights tests have passed that are not expected to; no result is no night."""
    found: dict[TestKey, list[TestResult]] = {}
    for job in tonight:
        for result in job.results:
            if result.status is not Status.ERROR:
                found.setdefault(TestKey.of(job, result), []).append(result)
    for key, results in found.items():
        if all(map(_outlived, results)):
            yield key, memory.outlived.get(key, 0) + 1
    yield from ((key, nights) for key, nights in memory.outlived.items() if key not in found)


def _regressed(test: Compared) -> tuple[Kind, str]:
    if not test.surprising:
        return Kind.CHANGED, "as lab.toml expects now"
    once = "" if len(test.after) > 1 else "seen once, could not be repeated"
    return Kind.REGRESSED, "; ".join(filter(None, (test.why, once)))


def _gone(test: Compared) -> tuple[Kind, str]:
    if test.why:
        # A crash, or a deadline, came before it.
        return Kind.UNTESTED, test.why
    return Kind.GONE, ""


def _came_to_its_end(test: Compared, programs: Collection[tuple[str, str]]) -> bool:
    """Whether it stood for the death of a whole program that ran tonight and lived."""
    dead = all(result.status in DEAD or result.stopped for result in test.before)
    return dead and (test.key.suite, test.key.test) in programs


def _programs(run: RunRecord) -> frozenset[tuple[str, str]]:
    """The (suite, program) pairs that ran as a whole."""
    return frozenset(
        (one.suite, one.program) for job in run.jobs for one in job.ran if not one.test
    )


def judge_verdicts(
    verdicts: tuple[KernelVerdict, ...], judgement: Judgement, memory: Memory
) -> tuple[VerdictChange, ...]:
    """The verdicts that changed; one that rests on a flake, or on our fault, is none."""
    return tuple(
        VerdictChange(verdict.kernel, memory.verdicts.get(verdict.name, ""), verdict)
        for verdict in verdicts
        if not _is_doubtful(verdict, judgement)
        and verdict.outcome.value != memory.verdicts.get(verdict.name, "")
    )


def _is_doubtful(verdict: KernelVerdict, judgement: Judgement) -> bool:
    flaky = {
        (found.key.filesystem, found.key.suite, found.key.program, found.key.test)
        for found in judgement.of(Kind.FLAKY)
        if Variant(found.key.variant).is_over(Variant(verdict.kernel))
        and found.key.job[1:] == (verdict.machine, verdict.config)
    }
    tests = {
        (test.filesystem, test.suite, test.program, test.own or test.test) for test in verdict.tests
    }
    lost = verdict.ours and verdict.outcome is Outcome.INCONCLUSIVE
    return lost or bool(flaky & tests)


def remember(
    memory: Memory,
    before: Before | None,
    night: RunRecord,
    reruns: RunRecord | None,
    judgement: Judgement,
) -> Memory:
    """What the next night has to know."""
    memory = memory.naming(TestKey.of(job, result) for job in night.jobs for result in job.results)
    flaky = dict(_flakes(memory, night, judgement))
    known = dict(_known(before, night, reruns, judgement))
    untested = frozenset(found.key for found in judgement.of(Kind.UNTESTED))
    changed = {change.after.name: change.after.outcome.value for change in judgement.verdicts}
    return replace(
        memory,
        baseline=night.id,
        known=known,
        open=untested,
        flaky=flaky,
        verdicts={**memory.verdicts, **changed},
        outlived=dict(_nights_outlived(memory, night.jobs)),
    )


def _known(
    before: Before | None, night: RunRecord, reruns: RunRecord | None, judgement: Judgement
) -> Iterator[tuple[TestKey, str]]:
    """The tests whose last word another run has than the night's; "" where none has."""
    kinds = {found.key: found.kind for found in judgement.findings}
    old = before.runs if before else {}
    for key, run_id in _last_runs(night, reruns).items():
        # What a flake ended like tonight is chance: the word before stays.
        run = old.get(key, "") if kinds.get(key) is Kind.FLAKY else run_id
        if run != night.id:
            yield key, run
    for key, kind in kinds.items():
        if kind is Kind.UNTESTED and key in old:
            yield key, old[key]


def _last_runs(night: RunRecord, reruns: RunRecord | None) -> Mapping[TestKey, str]:
    """The run that has the last word on a test: the night itself, if it has one."""
    said: dict[TestKey, str] = {}
    for run in filter(None, (reruns, night)):
        for job in run.jobs:
            for result in results_of(job):
                if result.has_word:
                    said[TestKey.of(job, result)] = run.id
    return said


def _flakes(
    memory: Memory, night: RunRecord, judgement: Judgement
) -> Iterator[tuple[TestKey, Flake]]:
    tonight = {found.key: found for found in judgement.findings}
    # An error of the lab is no time that it ran, and lets nobody forget a flake.
    ran = _last_runs(night, None).keys()
    for found in judgement.of(Kind.FLAKY):
        old = memory.flaky.get(found.key, Flake(0, 0))
        yield found.key, Flake(old.bad + found.rate.bad, old.total + found.rate.total)
    for key, old in memory.flaky.items():
        if key in tonight and tonight[key].kind in (Kind.FLAKY, Kind.REGRESSED):
            continue
        quiet = old.quiet + (key in ran)
        if quiet < _QUIET_NIGHTS:
            yield key, Flake(old.bad, old.total + (key in ran), quiet)
