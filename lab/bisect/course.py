# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection does next, and what it came to: all of it follows from what was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import groupby

from lab.bisect.confidence import Belief, passes_needed
from lab.bisect.ends import Ends, EndsCheck
from lab.bisect.log import Begun, Tried
from lab.bisect.point import Point
from lab.bisect.question import Question, judge, together
from lab.bisect.search import Found, Undecided
from lab.bisect.signature import test_in
from lab.bisect.subject import Subject
from lab.bisect.told import Answer, Seen, Side, Sight, Told, Trial
from lab.model.rate import Rate

#: What failed otherwise so often, and not once as the end does, is not tried again.
_OTHERWISE = 3
#: So many times as often is measured what guests measured on both sides.
_DOUBTED = 3


class Phase(StrEnum):
    """What a point is tried for."""

    END = "end"
    STEP = "step"
    #: Of the answer: that it fails, that what is before it passes, and the end without it, too.
    FAILS = "fails"
    PASSES = "passes"
    REVERT = "revert"


@dataclass(frozen=True)
class Wanted:
    """A point to try next, for what, and how often at most."""

    phase: Phase
    point: Point
    times: int


@dataclass(frozen=True)
class Step:
    """One point, tried for one thing; ``told`` is None while it is under way."""

    number: int
    phase: Phase
    point: Point
    trials: tuple[Trial, ...]
    told: Told | None = None


@dataclass(frozen=True)
class Shown:
    """A part of the proof; ``holds`` is None where it could not be tried."""

    what: str
    point: Point | None
    holds: bool | None
    why: str = ""


@dataclass(frozen=True)
class Result:
    """What a bisection came to.

    Args:
        found: The change; None where it is one of ``undecided``.
        proof: What was shown of it.
        probability: How likely it is the change, or one of ``undecided`` is; None where that is
            not counted.
        uncounted: Why it is not.
        beside: How the end that fails does so as well, which was not seen of the change.
        rate: How often what has the failure failed.
        skipped: What could not be told, and why.
        steps: How many points between the ends were tried.
    """

    found: Point | None
    undecided: tuple[Point, ...] = ()
    proof: tuple[Shown, ...] = ()
    probability: float | None = None
    rate: Rate | None = None
    skipped: tuple[Told, ...] = ()
    steps: int = 0
    uncounted: str = ""
    beside: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Whether there is an answer of which all that could be tried holds.

        That a change can be taken out cleanly is no part of it, only that this mends what is.
        """
        needed = [one for one in self.proof if one.holds is not None or one.what != "reverted"]
        return self.found is not None and all(one.holds for one in needed)


@dataclass(frozen=True)
class Course:
    """A pure function of the log's trials.

    Args:
        tried: All trials, in order.
    """

    subject: Subject
    question: Question
    begun: Begun
    tried: Sequence[Tried]
    _reverted: dict[str, Point | None] = field(default_factory=dict, repr=False)

    def next(self) -> Wanted | Result:
        """What to try, or what it came to.

        Raises:
            NoDifference: The ends are none.
        """
        ends = self.ends
        if isinstance(ends, Wanted):
            return ends
        unfinished = next((one for one in self.steps if one.told is None), None)
        if unfinished is not None:
            return self._more(unfinished)
        step = self.subject.search.next(self.told, self._sure)
        if isinstance(step, Point):
            return Wanted(Phase.STEP, step, self._batch)
        return self._decided(step)

    def left(self) -> int:
        """How many points can still be the change."""
        return self.subject.search.left(self.told, self._sure)

    def ahead(self, wanted: Wanted) -> tuple[Point, ...]:
        """What would be tried next, whichever way it goes; the ends are likely to be ends."""
        if wanted.phase is Phase.END:
            first = self.subject.search.next(())
            if not isinstance(first, Point):
                return ()
            return (first, *self._after(first, (), Side.NEW))
        if wanted.phase is not Phase.STEP:
            return ()
        return tuple(self._after(wanted.point, self.told, self._sure))

    def _after(self, point: Point, told: Sequence[Told], sure: Side) -> Iterator[Point]:
        """What comes after a point, whichever side that is told to be on."""
        for side in (Side.OLD, Side.NEW):
            step = self.subject.search.next([*told, Told(point, side)], sure)
            if not isinstance(step, Undecided):
                yield step.point if isinstance(step, Found) else step

    @cached_property
    def ends(self) -> Ends | Wanted:
        """The ends, or which of them is to be tried next."""
        begun = self.begun
        old, new = self.subject.old, self.subject.new
        seen = {point.key: self.seen_of_end(point) for point in (*old, new)}
        found = EndsCheck(self.question, old, new, begun.words, begun.confidence, seen).next()
        return found if isinstance(found, Ends) else Wanted(Phase.END, found.point, found.times)

    def seen_of_end(self, point: Point) -> list[Seen]:
        """What an end showed, each time that it was tried for that; what was ours is no part."""
        return [
            one.trial.seen
            for one in self.tried
            if one.phase == Phase.END
            and one.point.key == point.key
            and one.trial.seen.sight is not Sight.OURS
        ]

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All that was tried, the ends first."""
        return tuple(self._steps())

    @property
    def between(self) -> tuple[Step, ...]:
        """The steps between the ends."""
        return tuple(one for one in self.steps if one.phase is Phase.STEP)

    @cached_property
    def told(self) -> list[Told]:
        """What the search is told: the steps, and what contradicts one in the proof.

        Where one that was told to have passed by chance comes out, others that passed no more
        often may have as well: they are asked again, or each would have to come out by itself.
        """
        found: dict[str, Step] = {}
        for one in self.steps:
            if one.told is None or not self._is_told(one):
                continue
            if one.phase is Phase.PASSES and one.point.key in found:
                least = len(found[one.point.key].trials)
                found = {key: step for key, step in found.items() if self._stays(step, least)}
            found.pop(one.point.key, None)
            found[one.point.key] = one
        return [one.told for one in found.values() if one.told is not None]

    def _is_told(self, step: Step) -> bool:
        contradicts = step.told is not None and step.told.side is self._sure
        return step.phase is Phase.STEP or (step.phase is Phase.PASSES and contradicts)

    def _stays(self, step: Step, least: int) -> bool:
        doubted = step.told is not None and step.told.side is self._unsure
        return not doubted or len(step.trials) > least

    @property
    def skipped(self) -> tuple[Told, ...]:
        """What cannot be told."""
        return tuple(one for one in self.told if one.side is Side.SKIP)

    def _steps(self) -> Iterator[Step]:
        for number, group in groupby(self.tried, key=lambda one: one.step):
            lines = list(group)
            phase, point = Phase(lines[0].phase), lines[0].point
            trials = tuple(one.trial for one in lines)
            if phase is Phase.END:
                yield Step(number, phase, point, trials, self._end_told(point, trials))
                continue
            told = self.tell(point, phase, trials, lines[0].times)
            yield Step(number, phase, point, trials, told if isinstance(told, Told) else None)

    def _end_told(self, point: Point, trials: Sequence[Trial]) -> Told:
        """An end is on its side as far as it was tried: whether it was enough, ``ends`` says."""
        side = Side.NEW if point.key == self.subject.new.key else Side.OLD
        return Told(point, side, trials[-1].seen.why)

    def tell(self, point: Point, phase: Phase, trials: Iterable[Trial], needed: int) -> Told | int:
        """What a step's trials come to, or how many more it takes.

        Args:
            needed: How many passes are a pass.
        """
        said = [one for one in trials if one.seen.sight is not Sight.OURS]
        if self.question.trials:
            return self._measured(point, said)
        seen, others = [one.seen for one in said], []
        for one in seen:
            answer = self._answer(one)
            if answer is Answer(self._sure):
                return Told(point, self._sure, one.why)
            if answer is Answer.UNTESTABLE:
                return Told(point, Side.SKIP, one.why)
            others += [one] if answer is Answer.OTHER else []
        # What fails now and then may have failed otherwise first, by another cause or in another
        # place; never is that a pass.
        if len(seen) < needed and len(others) < _OTHERWISE:
            return needed - len(seen)
        if others:
            return Told(point, Side.SKIP, f"fails otherwise: {others[0].why}")
        return Told(point, self._unsure, f"passes {len(seen)} of {len(seen)}")

    def _measured(self, point: Point, trials: Sequence[Trial]) -> Told | int:
        seen, wanted = [one.seen for one in trials], self.question.trials
        for one in seen:
            if one.sight is not Sight.MEASURED:
                return Told(point, Side.SKIP, one.why)
        if len(seen) % wanted:
            return wanted - len(seen) % wanted
        if not seen or (len(seen) < _DOUBTED * wanted and self._is_doubtful(trials)):
            return wanted
        all_ = together(seen)
        return Told(point, Side(self._answer(all_)), all_.why)

    def _is_doubtful(self, trials: Sequence[Trial]) -> bool:
        """Whether guests measured on both sides; what one guest measures has one host's mood."""
        by_guest: dict[str, list[Seen]] = {}
        for one in trials:
            by_guest.setdefault(one.run, []).append(one.seen)
        return len({self._answer(together(seen)) for seen in by_guest.values()}) > 1

    def _answer(self, seen: Seen) -> Answer:
        return judge(self.question, seen, self._known.reference)

    def _more(self, step: Step) -> Wanted:
        """The rest of a step that a kill, or our own trouble, cut short."""
        wanted = self.tell(step.point, step.phase, step.trials, self._times[step.number])
        assert isinstance(wanted, int)
        return Wanted(step.phase, step.point, wanted)

    @cached_property
    def _times(self) -> dict[int, int]:
        return {one.step: one.times for one in reversed(self.tried)}

    def _decided(self, step: Found | Undecided) -> Wanted | Result:
        if isinstance(step, Undecided):
            return self._result(None, step.points)
        proof = []
        for shown in self._proof(step.point):
            if isinstance(shown, Wanted):
                return shown
            proof.append(shown)
        return self._result(step.point, proof=tuple(proof))

    def _proof(self, found: Point) -> Iterator[Wanted | Shown]:
        """What is shown of the answer in fresh guests, or what is to be tried for that."""
        for point in self._failing(found):
            yield self._shown_failing(point)
        yield from self._shown_passing(found)
        yield from self._shown_reverted(found)

    def _failing(self, found: Point) -> Sequence[Point]:
        """What has to fail where a point is the change."""
        return (found,) if self._sure is Side.NEW else self.subject.search.before(found)

    def _passing(self, found: Point) -> Sequence[Point]:
        """What has to pass where a point is the change."""
        return self.subject.search.before(found) if self._sure is Side.NEW else (found,)

    def _shown_failing(self, point: Point) -> Wanted | Shown:
        step = self._step_of(Phase.FAILS, point)
        if step is None or step.told is None:
            return Wanted(Phase.FAILS, point, self._batch)
        return Shown("fails", point, _holds(step.told, self._sure), step.told.why)

    def _shown_passing(self, found: Point) -> Iterator[Wanted | Shown]:
        """As many passes as it takes for an answer that is as sure as asked."""
        points, told = self._passing(found), []
        for point in points:
            step = self._step_of(Phase.PASSES, point)
            if step is None or step.told is None:
                yield Wanted(Phase.PASSES, point, max(self._batch, self._lacking(found)))
                return
            told.append((step, step.told))
        lacking = self._lacking(found)
        if points and lacking and all(one.side is self._unsure for _, one in told):
            # What one of several lacks, no number of another's passes makes up for.
            fewest = min(points, key=lambda one: self._passes.get(one.key, 0))
            yield Wanted(Phase.PASSES, fewest, lacking)
        for step, one in told:
            holds = _holds(one, self._unsure)
            yield Shown("passes", step.point, holds, self._passed(step))

    def _passed(self, step: Step) -> str:
        assert step.told is not None
        passes = self._passes.get(step.point.key, 0)
        counted = step.told.side is self._unsure and not self.question.trials
        return f"passes {passes} of {passes}" if counted else step.told.why

    def _shown_reverted(self, found: Point) -> Iterator[Wanted | Shown]:
        if found.parts and found.key == self.subject.new.key:
            yield Shown("reverted", None, None, "it is all that differs between the ends")
            return
        reverted = self._without(found)
        if reverted is None:
            yield Shown(
                "reverted", None, None, "what it brought cannot be taken out of the end by itself"
            )
            return
        step = self._step_of(Phase.REVERT, reverted)
        if step is None or step.told is None:
            yield Wanted(Phase.REVERT, reverted, self._batch)
            return
        holds = _holds(step.told, Side.OLD)
        skipped = step.told.side is Side.SKIP
        yield Shown("reverted", reverted, None if skipped else holds, step.told.why)

    def _without(self, found: Point) -> Point | None:
        if found.key not in self._reverted:
            self._reverted[found.key] = self.subject.reverted(found)
        return self._reverted[found.key]

    def _step_of(self, phase: Phase, point: Point) -> Step | None:
        """The last step that tried a point for something."""
        steps = (one for one in reversed(self.steps) if one.phase is phase)
        return next((one for one in steps if one.point.key == point.key), None)

    def _lacking(self, found: Point) -> int:
        if self._known.rate is None or self.question.steady:
            return 0
        keys = [one.key for one in self._passing(found)]
        return self._belief(found).more_passes(keys, self.begun.confidence)

    def _belief(self, found: Point) -> Belief:
        # What the proof tries need not have been a step.
        shown = [Told(one, self._unsure) for one in self._passing(found)]
        doubts = self.subject.search.doubts([*self.told, *shown], found, self._sure)
        return Belief(self._rate, self._passes, doubts)

    @cached_property
    def _rate(self) -> Rate:
        """How often all failed that is known to have the failure."""
        certain = {one.point.key for one in self.told if one.side is self._sure}
        certain |= {self._failing_end.key}
        # Else each pass that was found to be chance would make it a surer sign to pass.
        tried = {one.point.key for one in self.between} - certain
        certain |= set(self.subject.search.behind(self.told, tried, self._sure))
        shown = [one for one in self.tried if one.point.key in certain]
        answers = [self._answer(one.trial.seen) for one in _first_shown(shown)]
        failed = answers.count(Answer(self._sure))
        return Rate(failed, failed + answers.count(Answer(self._unsure)))

    @cached_property
    def _passes(self) -> dict[str, int]:
        """How often each point passed; what another showed that is the same bytes counts there."""
        shown = ((one.point.key, self._answer(one.trial.seen)) for one in _first_shown(self.tried))
        return Counter(key for key, answer in shown if answer is Answer(self._unsure))

    @property
    def _failing_end(self) -> Point:
        return self.subject.new if self._sure is Side.NEW else self.subject.old[0]

    def _result(
        self, found: Point | None, undecided: tuple[Point, ...] = (), proof: tuple[Shown, ...] = ()
    ) -> Result:
        uncounted = self._uncounted(undecided)
        return Result(
            found,
            undecided,
            proof,
            None if uncounted else self._probability(found, undecided),
            self._rate if self._is_counted else None,
            self.skipped,
            len({one.point.key for one in self.between}),
            uncounted,
            self._beside(found) if found is not None else (),
        )

    @property
    def _is_counted(self) -> bool:
        return self._known.rate is not None and not self.question.steady

    def _uncounted(self, undecided: Sequence[Point]) -> str:
        """Why an answer has no probability; "" where it has one."""
        if self.question.trials:
            return "medians are compared, and no failures counted"
        if not self._is_counted:
            return "what is asked gives the same each time"
        if undecided and undecided[0].parts:
            return "which sets would fail that could not be tried, nobody knows"
        return ""

    def _probability(self, found: Point | None, undecided: Sequence[Point]) -> float:
        """Of the answer, or that it is one of several."""
        if found is not None:
            return self._belief(found).probability
        # No pass tells these from each other, so each is as likely as the one at the end that is
        # sure, to which all others are doubts.
        end = undecided[-1] if self._sure is Side.NEW else undecided[0]
        doubts = self.subject.search.doubts(self.told, end, self._sure)
        return min(1.0, len(undecided) * Belief(self._rate, self._passes, doubts).probability)

    def _beside(self, found: Point) -> tuple[str, ...]:
        """What fails at the end, and did not where the change alone is."""
        keys = {one.key for one in self._failing(found)}
        steps = (one for one in self.steps if one.point.key in keys)
        seen = {
            test_in(text) for step in steps for one in step.trials for text in one.seen.signature
        }
        signature = self._known.reference.signature
        return tuple(one for one in signature if seen and test_in(one) not in seen)

    @property
    def _known(self) -> Ends:
        assert isinstance(self.ends, Ends)
        return self.ends

    @property
    def _batch(self) -> int:
        """How many trials a step has at most; its rate is known the better the more has failed."""
        if self.question.trials or self.question.steady:
            return self.question.trials or 1
        return passes_needed(self._rate.count / self._rate.total, self.begun.confidence)

    @property
    def _sure(self) -> Side:
        return self._known.reference.failing

    @property
    def _unsure(self) -> Side:
        return Side.OLD if self._sure is Side.NEW else Side.NEW


def _first_shown(tried: Iterable[Tried]) -> Iterator[Tried]:
    """These, but for what is another's before them that is the same bytes: it happened once."""
    first: dict[str, str] = {}
    for one in tried:
        run, key = one.trial.run, one.point.key
        if not run or first.setdefault(run, key) == key:
            yield one


def _holds(told: Told, side: Side) -> bool | None:
    return None if told.side is Side.SKIP else told.side is side
