# SPDX-License-Identifier: GPL-2.0-only
"""Tries what a course wants, and writes each trial down before anything follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.bisect.course import Course, Phase, Result, Wanted
from lab.bisect.ends import Ends, NoDifference
from lab.bisect.log import Closed, Ended, Log, Tried
from lab.bisect.point import Point
from lab.bisect.question import Question
from lab.bisect.subject import Subject
from lab.bisect.told import Seen, Sight, Told, Trial
from lab.bisect.trying import Trier
from lab.bisect.words import result_of
from lab.errors import InfrastructureError, UserError
from lab.model.records import now


class Paused(InfrastructureError):
    """The machine's trouble, or ours: it says nothing of any point, and the step is open."""


@dataclass
class Listener:
    """Who is told what goes on; nobody, unless somebody asks."""

    on_wanted: Callable[[Wanted], None] = lambda _: None
    on_trial: Callable[[Wanted, Trial], None] = lambda *_: None
    #: All that is known of an end, each time that it was tried.
    on_end: Callable[[Point, Sequence[Seen]], None] = lambda *_: None
    on_told: Callable[[Wanted, Told], None] = lambda *_: None


@dataclass
class Bisection:
    """A subject, a question, who tries the points, and the log that all goes on from."""

    subject: Subject
    question: Question
    trier: Trier
    log: Log
    listener: Listener = field(default_factory=Listener)
    _reverted: dict[str, Point | None] = field(default_factory=dict)

    def run(self) -> Result:
        """Try what there is to try until it is decided; a second time it says the same.

        Raises:
            NoDifference: The ends are none.
            Paused: Our own trouble: the same goes on with the same point.
            InfrastructureError: The log cannot be written.
        """
        self._close()
        while isinstance(wanted := self._next(), Wanted):
            self.listener.on_wanted(wanted)
            self.trier.prepare(self.course.ahead(wanted))
            self._try(wanted)
        # What was said of it before may be of a log that was another, by hand or an older lab's.
        if self._said_before() != wanted:
            self.log.add(Ended(_document(wanted), now()))
        return wanted

    def _said_before(self) -> Result | None:
        with suppress(UserError):
            return result_of(self.log)
        return None

    @property
    def course(self) -> Course:
        """What follows from the log as it is."""
        tried = [line for line in self.log.lines if isinstance(line, Tried)]
        return Course(self.subject, self.question, self.log.begun, tried, self._reverted)

    def _close(self) -> None:
        """Write down what steps came to of which a kill left only the last trial."""
        if not isinstance(self._ends(), Ends):
            return
        closed = {line.step for line in self.log.lines if isinstance(line, Closed)}
        for one in self.course.steps:
            if one.phase is not Phase.END and one.told and one.number not in closed:
                self._write(one.number, one.phase, one.told)

    def _write(self, step: int, phase: Phase, told: Told) -> None:
        self.log.add(Closed(step, phase, told.point, told.side, told.why, now()))

    def _next(self) -> Wanted | Result:
        try:
            return self.course.next()
        except NoDifference as error:
            if self.log.ended is None or self.log.ended.refused != str(error):
                self.log.add(Ended({}, now(), refused=str(error)))
            raise

    def _try(self, wanted: Wanted) -> None:
        step, times = self._place(wanted)
        tried = False
        with closing(self.trier.try_(wanted.point, wanted.times)) as trials:
            for trial in trials:
                tried = True
                phase = wanted.phase
                self.log.add(Tried(step, phase, wanted.point, times, trial, now()))
                self.listener.on_trial(wanted, trial)
                if trial.seen.sight is Sight.OURS:
                    raise _paused(wanted.point, trial)
                if self._is_done(wanted, step, times):
                    break
        if not tried:
            raise Paused(f"{wanted.point.name} was not tried, and nothing says why")
        if wanted.phase is Phase.END:
            self.listener.on_end(wanted.point, self.course.seen_of_end(wanted.point))

    def _place(self, wanted: Wanted) -> tuple[int, int]:
        """The number of its step, and how often that wanted its point: the last's, where it goes
        on with that."""
        tried = [line for line in self.log.lines if isinstance(line, Tried)]
        last = tried[-1] if tried else None
        number = last.step if last else 0
        if last is None or (last.phase, last.point.key) != (wanted.phase, wanted.point.key):
            return number + 1, wanted.times
        is_open = wanted.phase is Phase.END or self.course.steps[-1].told is None
        return (number, last.times) if is_open else (number + 1, wanted.times)

    def _is_done(self, wanted: Wanted, step: int, times: int) -> bool:
        """Whether a step is over; what it came to is written down for who reads the log."""
        if wanted.phase is Phase.END:
            ends = self._ends()
            return not isinstance(ends, Wanted) or ends.point != wanted.point
        tried = (line for line in self.log.lines if isinstance(line, Tried))
        trials = [line.trial for line in tried if line.step == step]
        told = self.course.tell(wanted.point, wanted.phase, trials, times)
        if isinstance(told, Told):
            self._write(step, wanted.phase, told)
            self.listener.on_told(wanted, told)
        return isinstance(told, Told)

    def _ends(self) -> object:
        """The ends as far as they are known; that they are none is told when they are over."""
        try:
            return self.course.ends
        except NoDifference as error:
            return error


def _paused(point: Point, trial: Trial) -> Paused:
    return Paused(
        f"{point.name} could not be tried: {trial.seen.why}",
        hint="the same command: it goes on with that",
    )


def _document(result: Result) -> dict[str, Any]:
    """A result as JSON has it."""
    return asdict(result)
