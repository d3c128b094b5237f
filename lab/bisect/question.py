# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from lab.analysis.run_status import is_lab_error, is_users_error
from lab.bisect.told import Answer, Seen, Side, Sight
from lab.errors import InfrastructureError, LabError
from lab.model.records import JobRecord, RunRecord


@dataclass(frozen=True)
class Reference:
    """What the ends showed, by which all between is judged.

    Args:
        failing: The side on which it fails.
        signature: How it fails there.
        value: What was measured at the old end.
        failed: The tests that fail there, of each failure.
    """

    failing: Side = Side.NEW
    signature: tuple[str, ...] = ()
    value: float | None = None
    failed: frozenset[tuple[str, ...]] = frozenset()

    def would_show(self, passed: Seen) -> bool:
        """Whether each failure would have been seen where others passed: a skip shows none."""
        return not any(set(tests) <= set(passed.silent) for tests in self.failed if tests)


class Question(Protocol):
    """One question: a test, a complaint, a metric, a boot, a build."""

    @property
    def name(self) -> str:
        """The question for people, and what tells it from others: ``test mmap.*``."""

    @property
    def pattern(self) -> str | None:
        """Which tests have to run, as ``-k`` picks them; None for all."""

    @property
    def needs_guest(self) -> bool:
        """Whether anything boots; else a build is all of it: see unbuilt() and built()."""

    @property
    def repeats(self) -> bool:
        """Whether each repetition in a guest is a trial; else a guest with one of them is."""

    @property
    def trials(self) -> int:
        """How many trials of one point are judged together; 0 where each is a word of its own."""

    @property
    def steady(self) -> bool:
        """Whether the same point always gives the same."""

    def look(self, run: RunRecord) -> tuple[Seen, ...]:
        """What a run of one point shows: for each of its repetitions, in order; at least one."""

    def unbuilt(self, error: LabError) -> Seen:
        """What it shows that a point could not be built or patched."""

    def built(self) -> Seen:
        """What it shows that a point was built."""

    def is_beyond(self, value: float, reference: float | None) -> bool:
        """Whether what was measured is on the new side."""


class OfGuest:
    """What a Question does that something has to run for, and that measures nothing."""

    needs_guest = True
    repeats = True
    trials = 0
    steady = False

    def unbuilt(self, error: LabError) -> Seen:
        """See Question."""
        return untestable(error)

    def built(self) -> Seen:
        """See Question; nothing was asked."""
        return Seen(Sight.UNTESTABLE, "it was built, and nothing ran")

    def is_beyond(self, value: float, reference: float | None) -> bool:
        """See Question; nothing is measured."""
        raise NotImplementedError


def judge(question: Question, seen: Seen, reference: Reference) -> Answer:
    """What one trial says."""
    if seen.sight is Sight.MEASURED:
        assert seen.value is not None
        beyond = question.is_beyond(seen.value, reference.value)
        return Answer.NEW if beyond else Answer.OLD
    if seen.sight is Sight.FAILS:
        alike = set(seen.signature) & set(reference.signature)
        return _ANSWERS[reference.failing] if alike else Answer.OTHER
    if seen.sight is Sight.PASSES and not reference.would_show(seen):
        return Answer.UNTESTABLE
    if seen.sight is Sight.PASSES:
        return _ANSWERS[Side.OLD if reference.failing is Side.NEW else Side.NEW]
    return Answer(seen.sight)


_ANSWERS = {Side.OLD: Answer.OLD, Side.NEW: Answer.NEW}


def together(seen: Sequence[Seen]) -> Seen:
    """Measurements as one: their median."""
    values = [one.value for one in seen if one.value is not None]
    return Seen(
        Sight.MEASURED, f"{median(values):g}, the median of {len(values)}", (), median(values)
    )


def untestable(error: LabError) -> Seen:
    """A point that could not be built or patched, of which something else was asked."""
    if isinstance(error, InfrastructureError):
        return Seen(Sight.OURS, error.what)
    return Seen(Sight.UNTESTABLE, error.what)


def trouble(run: RunRecord) -> Seen | None:
    """Why a run shows nothing: what the machine, the lab or the user did; None when it may.

    What failed all the same is a word on the kernel, so that is looked for before; what passed
    beside such trouble is none.
    """
    for job in run.jobs:
        if job.error is not None and job.users_fault:
            return Seen(Sight.UNTESTABLE, job.error.line)
    if not run.jobs:
        said = run.problems
        return Seen(Sight.OURS, said[0] if said else "the run has no job")
    return next(filter(None, map(_job_trouble, run.jobs)), _run_trouble(run))


def _job_trouble(job: JobRecord) -> Seen | None:
    if job.error is not None:
        return Seen(Sight.OURS, job.error.line)
    for result in job.results:
        if is_lab_error(result) or is_users_error(result):
            return Seen(Sight.OURS, f"{result.test}: {result.message}")
    return None


def _run_trouble(run: RunRecord) -> Seen | None:
    """A run that did not finish; that nothing ran is for the question to say."""
    if run.finished is None:
        return Seen(Sight.OURS, "the run did not finish: tests may be missing")
    return Seen(Sight.OURS, run.troubles[0]) if run.troubles else None
