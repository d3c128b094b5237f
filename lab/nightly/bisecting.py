# SPDX-License-Identifier: GPL-2.0-only
"""Bisects what got worse, between the commits of two nights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from lab.bisect.bisection import Bisection, Listener
from lab.bisect.course import Result, Wanted
from lab.bisect.ends import GOOD_BAD, Ends, NoDifference
from lab.bisect.folder import Bisections
from lab.bisect.log import Begun, Closed, Log
from lab.bisect.of_complaint import OfComplaint
from lab.bisect.of_test import OfTest
from lab.bisect.point import Point
from lab.bisect.question import Question
from lab.bisect.subjects.commits import Commits, open_commits
from lab.bisect.told import Side
from lab.bisect.trier import Asked, GuestTrier
from lab.bisect.words import result_lines
from lab.config.model import GitKernel
from lab.errors import InfrastructureError, LabError, UserError
from lab.execution.cluster.asked import kernels_made_here
from lab.model.records import now
from lab.nightly.bisected import Bisected, Culprit, Ending
from lab.nightly.budget import Budget, BudgetEnded, WithinBudget
from lab.nightly.worse import GotWorse
from lab.session import Lab
from lab.suites.exact_pattern import only
from lab.trees.history import repository_here
from lab.unforeseen import as_lab_error

_CONFIDENCE = 0.99
#: Of a range that is told; the log has all.
_MOST_LEFT = 50


def bisect_all(
    lab: Lab, wanted: Sequence[GotWorse], budget: Budget, command: Sequence[str]
) -> tuple[Bisected, ...]:
    """Bisect one after the other, as far as the budget goes; it raises nothing for what they do.

    Args:
        command: What is recorded as the command of each run.
    """
    if wanted and (where := kernels_made_here(lab.loaded)):
        lab.listener.say(f"bisecting: {where}")
    return tuple(_bisected(lab, what, budget, command) for what in wanted)


def _bisected(lab: Lab, what: GotWorse, budget: Budget, command: Sequence[str]) -> Bisected:
    try:
        return _Work(lab, what, budget, command).bisected()
    except Exception as raised:
        # Whatever is wrong with one, the night is what it is, and the others are to have theirs.
        error = as_lab_error(raised)
        again = isinstance(error, InfrastructureError)
        failed = replace(what, failures=what.failures + 1)
        return Bisected(failed, Ending.FAILED, lines=tuple(str(error).splitlines()), again=again)


@dataclass(frozen=True)
class _Work:
    """One bisection, this night."""

    lab: Lab
    what: GotWorse
    budget: Budget
    command: Sequence[str]

    def bisected(self) -> Bisected:
        what, series = self.what, self.what.variant.series
        folder = repository_of(self.lab, what.variant.kernel)
        with open_commits(self.lab, folder, [what.old], what.new, series=series) as subject:
            return self._ended(subject)

    def _ended(self, subject: Commits) -> Bisected:
        question, bisections = question_of(self.what), Bisections(self.lab.results)
        with closing(GuestTrier(subject, question, self._asked, self.command)) as trier:
            name, _ = bisections.going_on(self._begun(subject, question, trier))
            if bisections.is_held(name):
                raise InfrastructureError(f"another lab is at work on bisection {name}")
            with bisections.held(name) as log:
                within = WithinBudget(trier, self.budget)
                bisection = Bisection(subject, question, within, log, Listener(self._say))
                found = self._run(name, subject, bisection)
        return replace(found, what=replace(self.what, failures=0), steps=log.steps)

    def _run(self, name: str, subject: Commits, bisection: Bisection) -> Bisected:
        try:
            return self._found(name, subject, bisection.run())
        except BudgetEnded:
            return self._cut(name, bisection)
        except NoDifference as error:
            return Bisected(self.what, Ending.REFUSED, name, tuple(str(error).splitlines()))

    @property
    def _asked(self) -> Asked:
        key = self.what.key
        if key.is_complaint:
            # It came while no program ran: nobody knows what of the job it takes.
            return Asked(machine=key.machine, config=key.config)
        return Asked((key.filesystem,), (key.suite,), key.machine, key.config)

    def _begun(self, subject: Commits, question: Question, trier: GuestTrier) -> Begun:
        return Begun(
            question.name,
            ", ".join((subject.name, *self._asked.named)),
            GOOD_BAD,
            subject.old,
            subject.new,
            _CONFIDENCE,
            now(),
            tuple(self.command),
            given=trier.made_from(),
            noun=subject.noun,
            tested=trier.tested_with(),
        )

    def _say(self, wanted: Wanted) -> None:
        self.lab.listener.say(f"bisecting {self.what.key.test}: {wanted.phase}: {wanted.point}")

    def _found(self, name: str, subject: Commits, result: Result) -> Bisected:
        lines = tuple(_told(subject, result))
        ending = Ending.FOUND if result.found else Ending.UNDECIDED
        return Bisected(
            self.what,
            ending,
            name,
            lines,
            _culprit(subject, result.found) if result.found else None,
            result.proved,
            result.probability,
            tuple(_culprit(subject, one) for one in result.undecided[:_MOST_LEFT]),
            len(result.undecided) or None,
        )

    def _cut(self, name: str, bisection: Bisection) -> Bisected:
        left = _left(bisection)
        lines = tuple(_cut_lines(bisection.log, left, self.budget.seconds))
        return Bisected(self.what, Ending.BUDGET_ENDED, name, lines, left_count=left)


def question_of(what: GotWorse) -> Question:
    """Whether the kernel dies of the same, else whether the test passes."""
    if what.complaint:
        return OfComplaint(what.complaint)
    key = what.key
    # A program that ended badly has no test to be picked by.
    return OfTest(None if key.test == key.program else only(key.test))


def repository_of(lab: Lab, kernel: str) -> Path:
    """The repository on this machine that a kernel's commits are of.

    Raises:
        UserError: There is none: the cache has commits without their history.
    """
    section = lab.loaded.config.kernels.get(kernel)
    if not isinstance(section, GitKernel):
        raise UserError(f"{kernel} is no git kernel of lab.toml any more")
    folder = repository_here(section, lab.loaded.root)
    if folder is None:
        raise UserError(
            f"{kernel} cannot be bisected: the history of its commits is not on this machine",
            hint=f"a clone of it, and that folder as kernels.{kernel}.url",
        )
    return folder


def _culprit(subject: Commits, point: Point) -> Culprit:
    (commit,) = subject.order.repository.commits(point.key)
    # Its address is nobody's concern here: nothing is sent there.
    return Culprit(commit.id, commit.subject, commit.author.rpartition(" <")[0])


def _told(subject: Commits, result: Result) -> Iterator[str]:
    first, *others = result_lines(result, subject.noun, GOOD_BAD)
    yield first
    if result.found:
        yield f"  by {_culprit(subject, result.found).author}"
    yield from others


def _left(bisection: Bisection) -> int | None:
    """How many commits it can still be; None where the ends are not known yet."""
    try:
        course = bisection.course
        return course.left() if isinstance(course.ends, Ends) else None
    except LabError:
        return None


def _cut_lines(log: Log, left: int | None, seconds: float) -> Iterator[str]:
    yield f"the budget of {span(seconds)} has ended; the next night goes on with it"
    if left is None:
        yield "  whether both ends are as they were is not known yet"
        return
    told = [line for line in log.lines if isinstance(line, Closed)]
    good = next((one.point for one in reversed(told) if one.side is Side.OLD), log.begun.old[0])
    bad = next((one.point for one in reversed(told) if one.side is Side.NEW), log.begun.new)
    yield f"  {left} {'commit' if left == 1 else 'commits'} left after step {log.steps}"
    yield f"  good: {good}"
    yield f"  bad: {bad}"


def span(seconds: float) -> str:
    """``2 h``, ``90 min``, ``30 s``."""
    for unit, word in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {word}"
    return f"{seconds:g} s"
