# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side, test by test; nothing that either holds is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from lab.analysis.setup import Difference, differences, is_same
from lab.errors import ExitStatus
from lab.model.records import KERNEL, Evidence, JobRecord, RunRecord, TestResult
from lab.model.scale import Word, Worth
from lab.model.status import Status
from lab.model.test_key import TestKey

#: What complaints of the kernel that no test tells of are compared as.
_ALIKE = "the same kernel, machine, recipe and programs"
#: An end, as statuses are: a signal killed the program, whatever that counts as.
_STOPPED = "stopped"
#: What ends a program before all of its tests have run.
_CUT_SHORT = (Status.CRASH, Status.TIMEOUT, _STOPPED)


class Change(Word):
    """What became of a test; in the order in which they matter."""

    REGRESSED = "regressed"
    FLAKY = "flaky"
    INFRASTRUCTURE = "infrastructure"
    GONE = "gone"
    CHANGED = "changed"
    NEW = "new"
    FIXED = "fixed"
    SAME = "same"


#: What counts by whether ``lab.toml`` expects it.
_DOUBTFUL = tuple(c for c in Change if c.worth in (Worth.NEITHER, Worth.UNKNOWN))
#: What is put down to the kernel, unless more than that differs.
_BYKERNEL = frozenset({Change.REGRESSED, Change.FIXED, Change.CHANGED, Change.FLAKY})


@dataclass(frozen=True)
class Compared:
    """One test of two runs.

    ``before`` and ``after`` hold all its results in each run, more than one
    when the run repeats it, none where it is missing; ``why`` says what the
    statuses alone do not.  ``setup`` is what differs beside the kernel, part by part.
    """

    key: TestKey
    change: Change
    before: tuple[TestResult, ...] = ()
    after: tuple[TestResult, ...] = ()
    why: str = ""
    setup: tuple[Difference, ...] = ()

    @property
    def surprising(self) -> bool:
        """Whether the later run has a result of the kernel's that is not as expected."""
        return any(not r.as_expected and r.has_word for r in self.after)

    @property
    def ends(self) -> str:
        """``pass → fail``."""
        return f"{_words(self.before)} → {_words(self.after)}"

    def line(self) -> str:
        """How it ended, and why."""
        return self.ends + (f"  ({self.why})" if self.why else "")

    def to_json(self) -> dict[str, Any]:
        """The test as values the ``json`` module knows."""
        last = (self.after or self.before)[-1]
        return {
            "variant": self.key.variant,
            "machine": self.key.machine,
            "config": self.key.config,
            "filesystem": self.key.filesystem,
            "suite": self.key.suite,
            "program": self.key.program,
            "test": self.key.test,
            "change": self.change.value,
            "before": [result.status.value for result in self.before],
            "after": [result.status.value for result in self.after],
            "expected": last.expected.value,
            "message": last.message,
            "why": self.why,
            "setup": [str(part) for part in self.setup],
        }


@dataclass(frozen=True)
class Comparison:
    """What changed from run ``a`` to run ``b``.

    ``tests`` holds every test of either, by what became of it and then by
    name; ``notes`` what is wrong with a run as a whole, or differs around the
    kernel (QEMU, accelerator, the test programs).
    """

    a: str
    b: str
    tests: tuple[Compared, ...]
    notes: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> dict[Change, int]:
        """How many tests became what, every kind of change in it."""
        counted = Counter(test.change for test in self.tests)
        return {change: counted[change] for change in Change}

    def of(self, change: Change) -> tuple[Compared, ...]:
        """The tests that became this."""
        return tuple(test for test in self.tests if test.change is change)

    @property
    def status(self) -> ExitStatus:
        """UNEXPECTED if a test got worse or was lost; INFRASTRUCTURE if the lab cannot tell.

        A test that is new, or changed from one bad end to another, counts when it
        is not as ``lab.toml`` expects.
        """
        worths = {change.worth for change, count in self.counts.items() if count}
        surprising = any(t.change in _DOUBTFUL and t.surprising for t in self.tests)
        if Worth.BAD in worths or surprising:
            return Worth.BAD.value.exit
        if Worth.UNKNOWN in worths or self.troubles or not self.tests:
            return Worth.UNKNOWN.value.exit
        return Worth.GOOD.value.exit

    def to_json(self) -> dict[str, Any]:
        """All but what stayed the same, as values the ``json`` module knows."""
        return {
            "a": self.a,
            "b": self.b,
            "exit_status": int(self.status),
            "counts": {change.value: count for change, count in self.counts.items()},
            "notes": list(self.notes),
            "troubles": list(self.troubles),
            "tests": [test.to_json() for test in self.tests if test.change is not Change.SAME],
        }


def compare(a: RunRecord, b: RunRecord, unstable: Collection[TestKey] = ()) -> Comparison:
    """Compare two runs, test by test.

    Args:
        unstable: Tests known to end differently on one and the same setup (see
            ``Store.unstable``): a change of theirs proves nothing.

    An error of the lab in either run is no word on the kernel: it is
    ``infrastructure``, and so is a test that is missing because the lab could not
    do its job or the run did not finish.  A test that differs on one and the same
    setup, in one run or from one to the other, is ``flaky``.  What the kernel
    complained of while no program ran is compared as a test that crashed.
    """
    sides = _Side(a), _Side(b)
    _name_programs(*sides)
    # In the order of the runs, not of a set: so they lie in memory, and are sorted already, nearly.
    keys = {**sides[0].results, **sides[1].results}
    pair = _Pair(*sides, unstable)
    tests = [_compared(key, pair) for key in keys]
    order = {change: place for place, change in enumerate(Change)}
    tests.sort(key=attrgetter("key"))
    tests.sort(key=lambda test: order[test.change])
    return Comparison(a.id, b.id, tuple(tests), _notes(*sides), _troubles(*sides))


class _Side:
    """One of the two runs, looked up by test."""

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.results: dict[TestKey, list[TestResult]] = {}
        self.setups: dict[tuple[str, ...], list[Evidence]] = {}
        self.errors: dict[tuple[str, ...], str] = {}
        #: Worst ends seen in each suite's run; of errors those that are no word.
        self.ends: dict[tuple[str, ...], dict[Status | str, TestResult]] = {}
        for job in run.jobs:
            self._add(job)

    def _add(self, job: JobRecord) -> None:
        place = job.names
        self.setups.setdefault(place, []).append(job.evidence)
        if job.error is not None:
            self.errors[place] = job.error.line
        for result in results_of(job):
            key = TestKey.of(job, result)
            self.results.setdefault(key, []).append(result)
            end = _STOPPED if result.stopped else result.status
            self.ends.setdefault(key.group, {}).setdefault(end, result)

    def end(self, key: TestKey, *statuses: Status | str) -> TestResult | None:
        """A result with one of these ends in the test's suite, on its filesystem."""
        ends = self.ends.get(key.group, {})
        return next((ends[status] for status in statuses if status in ends), None)

    def why_missing(self, key: TestKey) -> str:
        """The trouble of the lab's that explains why a test is not there; "" for none."""
        if error := self.errors.get(key.job):
            return f"{self.run.id} could not do the job: {error}"
        if self.run.finished is None:
            return f"{self.run.id} did not finish"
        if lost := self.end(key, Status.ERROR):
            return f"{lost.test} ended in error: {lost.message}"
        return ""

    def why_untested(self, key: TestKey) -> str:
        """Why nobody had to run its job; "" where somebody did, or had to."""
        told = (evidence.untested for evidence in self.setups.get(key.job, ()))
        return next((f"not tested: {why}" for why in told if why), "")


def _name_programs(a: _Side, b: _Side) -> None:
    """Where one side's record does not tell whose a test was, take the other's word.

    If that has two programs with such a test, nobody knows: then they are compared as one.
    """
    for old, new in ((a, b), (b, a)):
        programs: dict[TestKey, list[TestKey]] = {}
        for key in new.results:
            if key.program:
                programs.setdefault(key.name, []).append(key)
        for name in [name for name in programs if name in old.results]:
            if len(programs[name]) == 1:
                _move(old.results, [name], programs[name][0])
            else:
                _move(new.results, programs[name], name)


def _move(results: dict[TestKey, list[TestResult]], names: Iterable[TestKey], to: TestKey) -> None:
    """What has one of the names has another, beside what has that already."""
    moved = [one for name in names for one in results.pop(name)]
    results.setdefault(to, []).extend(moved)


class _Pair:
    """Both sides, and what is known of tests and of what differs around the kernel."""

    def __init__(self, a: _Side, b: _Side, unstable: Collection[TestKey]) -> None:
        self.a, self.b = a, b
        # Of a record that does not tell programs any of those with that test may be it.
        self._unstable = {*unstable, *(key.name for key in unstable)}
        self._setups: dict[
            tuple[tuple[str, ...], str, str], tuple[bool, tuple[Difference, ...]]
        ] = {}

    def is_unstable(self, key: TestKey) -> bool:
        """Whether it was seen to end differently on one and the same setup."""
        return key in self._unstable

    def setup(self, key: TestKey) -> tuple[bool, tuple[Difference, ...]]:
        """Whether the test's setup is one and the same, and which parts of it differ."""
        place = (key.job, key.filesystem, key.program)
        if place not in self._setups:
            a, b = (side.setups.get(key.job, []) for side in (self.a, self.b))
            names = (key.filesystem, key.program)
            self._setups[place] = is_same(a, b, *names), differences(a, b, *names)
        return self._setups[place]


def results_of(job: JobRecord) -> Iterator[TestResult]:
    """A job's results, and its kernel's complaints that none of them tells of."""
    yield from job.results
    for noted in job.complaints:
        if noted.of_job:
            title, message = str(noted.complaint), noted.complaint.headline
            yield TestResult(
                job.variant, job.kernel_release, "", KERNEL, title, Status.CRASH, message=message
            )


def _compared(key: TestKey, pair: _Pair) -> Compared:
    a, b = pair.a, pair.b
    before, after = tuple(a.results.get(key, ())), tuple(b.results.get(key, ()))
    same, differs = pair.setup(key)
    if key.is_complaint and not (before and after):
        change, why = _complained(key, a, b, came=bool(after), same=same)
    elif not after:
        change, why = _missing(key, b)
    elif not before:
        change, why = _appeared(key, after, a)
    else:
        change, why = _changed(before, after)
        doubted = change not in (Change.SAME, Change.INFRASTRUCTURE, Change.FLAKY)
        if doubted and (same or pair.is_unstable(key)):
            change = Change.FLAKY
            why = _ALIKE if same else "it has been so before"
    if differs and change in _BYKERNEL:
        parts = ", ".join(one.part for one in differs)
        why = "; ".join(filter(None, (f"not the kernel alone: {parts}", why)))
    return Compared(key, change, before, after, why, differs)


def _complained(key: TestKey, a: _Side, b: _Side, *, came: bool, same: bool) -> tuple[Change, str]:
    """What a complaint is that one run has; the other's job must have been done to say so."""
    other = a if came else b
    if key.job not in other.setups:
        return (Change.NEW, "") if came else (Change.GONE, "")
    if why := other.why_missing(key):
        return (Change.NEW, why) if came else (Change.INFRASTRUCTURE, why)
    if same:
        return Change.FLAKY, _ALIKE
    return (Change.REGRESSED, "") if came else (Change.FIXED, "")


def _missing(key: TestKey, b: _Side) -> tuple[Change, str]:
    if why := b.why_missing(key):
        return Change.INFRASTRUCTURE, why
    lost = b.end(key, *_CUT_SHORT)
    if lost is None:
        return Change.GONE, b.why_untested(key)
    return Change.GONE, f"{lost.test}: {lost.signal or lost.broke_off or lost.status}"


def _appeared(key: TestKey, after: tuple[TestResult, ...], a: _Side) -> tuple[Change, str]:
    if not all(result.has_word for result in after):
        return Change.INFRASTRUCTURE, ""
    if len(_statuses(after)) > 1:
        return Change.FLAKY, "in one run"
    ran = key.group in a.ends
    lost = any(result.stopped or result.status in _CUT_SHORT for result in after)
    # Such a result bears the program's name, which no run without one has.
    if lost and ran and not a.end(key, Status.ERROR, *_CUT_SHORT):
        return Change.REGRESSED, f"not seen in {a.run.id}"
    if not ran and (why := a.why_missing(key)):
        return Change.NEW, why
    return Change.NEW, ""


def _changed(before: Sequence[TestResult], after: Sequence[TestResult]) -> tuple[Change, str]:
    sides, lost = [_statuses(before), _statuses(after)], False
    if Status.ERROR in sides[0] | sides[1]:
        words = [[result for result in side if result.has_word] for side in (before, after)]
        sides, lost = [_statuses(side) for side in words], words != [[*before], [*after]]
    if any(len(statuses) > 1 for statuses in sides):
        return Change.FLAKY, "in one run"
    if lost:
        return Change.INFRASTRUCTURE, ""
    (was,), (now,) = sides
    if was is now:
        return Change.SAME, ""
    if was.worth is Worth.GOOD and not now.is_ok:
        return Change.REGRESSED, ""
    if not was.is_ok and now.worth is Worth.GOOD:
        return Change.FIXED, ""
    return Change.CHANGED, ""


def _statuses(results: Iterable[TestResult]) -> frozenset[Status]:
    return frozenset(result.status for result in results)


def _words(results: tuple[TestResult, ...]) -> str:
    counted = Counter(result.status for result in results)
    once = set(counted.values()) <= {1}
    words = (status.value if once else f"{count} {status}" for status, count in counted.items())
    return ", ".join(words) or "nothing"


def _notes(a: _Side, b: _Side) -> tuple[str, ...]:
    """What differs around the kernel, said once for all jobs that both have."""
    compilers = [_said(side.run.jobs, "compiler") for side in (a, b)]
    notes: dict[str, None] = {}
    if all(compilers) and compilers[0] != compilers[1]:
        notes["compiler: {} → {}".format(*map(", ".join, compilers))] = None
    for place in [place for place in a.setups if place in b.setups]:
        notes.update(dict.fromkeys(map(str, differences(a.setups[place], b.setups[place]))))
    return tuple(notes)


def _said(jobs: Iterable[JobRecord], name: str) -> tuple[str, ...]:
    return tuple(sorted({getattr(job.evidence, name) for job in jobs} - {""}))


def _troubles(a: _Side, b: _Side) -> tuple[str, ...]:
    return tuple(
        f"{side.run.id}: {text}"
        for side in (a, b)
        for text in (
            *side.run.problems,
            *(f"{' '.join(place)}: {error}" for place, error in side.errors.items()),
        )
    )
