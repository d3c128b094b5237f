# SPDX-License-Identifier: GPL-2.0-only
"""Whether the two ends differ, and by what: nothing between them is tried before that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from lab.bisect.confidence import passes_needed
from lab.bisect.point import Point
from lab.bisect.question import Question, Reference, judge, together
from lab.bisect.signature import recurring
from lab.bisect.told import Answer, Seen, Side, Sight
from lab.errors import UserError
from lab.model.rate import Rate

GOOD_BAD = ("good", "bad")
#: An end that fails so often in a row fails each time, as it seems.
_STEADY = 3
#: Of one that does not, so many failures tell how often; or so many trials.
_FAILURES = 10
_MOST = 200
#: What fails more seldom than that is not looked for: nobody knows that it fails at all.
_SELDOM = 0.15


@dataclass(frozen=True)
class EndWanted:
    """An end that has to be tried so many times more."""

    point: Point
    times: int


@dataclass(frozen=True)
class Ends:
    """Two ends that differ.

    Args:
        rate: How often it fails where it does; None where that is not counted.
        needed: How many passes in a row are a pass.
    """

    reference: Reference
    rate: Rate | None
    needed: int


class NoDifference(UserError):
    """The ends are none: each is to be another commit, or the question another one."""


@dataclass(frozen=True)
class EndsCheck:
    """Looks at what was seen of the ends so far.

    Args:
        words: What the sides are called.
        seen: By the point's key, in order; what was ours is not among it.
    """

    question: Question
    old: Sequence[Point]
    new: Point
    words: tuple[str, str]
    confidence: float
    seen: Mapping[str, Sequence[Seen]]

    def next(self) -> EndWanted | Ends:
        """What to try, or what the ends are.

        Raises:
            NoDifference: They do not differ, or not as was said.
        """
        for point in (*self.old, self.new):
            self._refuse_untestable(point)
        return self._measured() if self.question.trials else self._counted()

    def _measured(self) -> EndWanted | Ends:
        """Of a metric: what the old end measures is what all is compared with."""
        points = (*self.old, self.new)
        for point in points:
            if (more := self.question.trials - len(self._of(point))) > 0:
                return EndWanted(point, more)
        value = together(self._of(self.old[0])).value
        beyond = {
            point.key: self.question.is_beyond(together(self._of(point)).value or 0.0, value)
            for point in points
        }
        if not beyond[self.new.key]:
            self._refuse(self.new, f"is not on the {self.words[1]} side", self._measures())
        for point in self.old:
            if beyond[point.key]:
                self._refuse(point, f"is on the {self.words[1]} side", self._measures())
        return Ends(Reference(value=value), None, 1)

    def _measures(self) -> str:
        points = (*self.old, self.new)
        return "\n".join(f"{point}: {together(self._of(point)).why}" for point in points)

    def _counted(self) -> EndWanted | Ends:
        first, other = self._in_order()
        if more := self._unmeasured(first):
            return EndWanted(first, more)
        failing = first
        if not self._fails(first):
            self._refuse_passing(first)
            if more := self._unmeasured(other):
                return EndWanted(other, more)
            failing = other
        if not self._fails(failing):
            self._refuse(failing, "passes, and so does the other end", self._passes(failing))
        return self._others(failing)

    def _in_order(self) -> tuple[Point, Point]:
        """The end that has to fail before the other; what is mended fails at the old one."""
        ends = (self.new, self.old[0])
        return ends if self.words == GOOD_BAD else (ends[1], ends[0])

    def _others(self, failing: Point) -> EndWanted | Ends:
        """How often the others have to pass, and that they do."""
        side = Side.NEW if failing == self.new else Side.OLD
        seen = self._of(failing)
        failed = [one.signature for one in seen if one.sight is Sight.FAILS]
        reference = Reference(side, recurring(failed))
        alike = [one for one in seen if self._answer(one, reference) is Answer(side)]
        reference = replace(reference, failed=frozenset(one.failed for one in alike))
        rate = Rate(len(alike), len(seen))
        steady = self.question.steady
        needed = 1 if steady else passes_needed(rate.count / rate.total, self.confidence)
        fails = (self.new,) if side is Side.NEW else self.old
        for point in (*self.old, self.new):
            if more := self._wanting(point, reference, needed, fails=point in fails):
                return EndWanted(point, more)
        return Ends(reference, rate, needed)

    def _wanting(self, point: Point, reference: Reference, needed: int, *, fails: bool) -> int:
        """How many more trials an end has to have to be what it should be."""
        answers = [self._answer(one, reference) for one in self._of(point)]
        failed = Answer(reference.failing)
        if not fails:
            self._refuse_failing(point, reference)
            return max(0, needed - len(answers))
        if failed in answers:
            return 0
        if len(answers) >= needed:
            self._refuse(point, "does not fail as the other end of its side does", "")
        return needed - len(answers)

    def _refuse_failing(self, point: Point, reference: Reference) -> None:
        for one in self._of(point):
            answer = self._answer(one, reference)
            if answer is Answer.OTHER:
                self._refuse(point, "fails too, in another way", one.why)
            if answer is Answer(reference.failing):
                self._refuse(point, "fails too", one.why)
            if answer is Answer.UNTESTABLE:
                self._refuse(point, "skips what fails at the other end", one.why)

    def _refuse_passing(self, point: Point) -> None:
        """Of good and bad it is said which fails."""
        if self.words == GOOD_BAD:
            self._refuse(point, "passes", self._passes(point))

    def _refuse_untestable(self, point: Point) -> None:
        for one in self._of(point):
            if one.sight is Sight.UNTESTABLE:
                self._refuse(point, "cannot be tested", one.why)

    def _refuse(self, point: Point, what: str, detail: str) -> None:
        word = self.words[1] if point == self.new else self.words[0]
        raise NoDifference(
            f"the {word} end {point.name} {what}: {self.question.name}",
            detail=detail or None,
            hint=f"another end for --{word}, or another question; nothing between was tried",
        )

    def _passes(self, point: Point) -> str:
        """How often it passed, and what was said there instead of what is asked for."""
        said = dict.fromkeys(one.why for one in self._of(point) if one.why)
        return "\n".join((f"{len(self._of(point))} passes, and no failure", *said))

    def _fails(self, point: Point) -> bool:
        return any(one.sight is Sight.FAILS for one in self._of(point))

    def _unmeasured(self, point: Point) -> int:
        """How many more trials it takes to know how often it fails; 0 when that is known."""
        seen = self._of(point)
        failed = sum(one.sight is Sight.FAILS for one in seen)
        if self.question.steady:
            return 1 - bool(seen)
        if failed == len(seen):
            return max(0, _STEADY - failed)
        if not failed:
            return max(0, passes_needed(_SELDOM, self.confidence) - len(seen))
        wanting = ceil((_FAILURES - failed) * len(seen) / failed)
        return min(max(0, wanting), _MOST - len(seen))

    def _answer(self, one: Seen, reference: Reference) -> Answer:
        return judge(self.question, one, reference)

    def _of(self, point: Point) -> Sequence[Seen]:
        return self.seen.get(point.key, ())
