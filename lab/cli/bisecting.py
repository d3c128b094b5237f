# SPDX-License-Identifier: GPL-2.0-only
"""A bisection as it was asked for, and what is printed of one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus

if TYPE_CHECKING:
    from lab.bisect.bisection import Bisection
    from lab.bisect.course import Result, Wanted
    from lab.bisect.log import Log
    from lab.bisect.point import Point
    from lab.bisect.question import Question
    from lab.bisect.subjects.setup import Buildable
    from lab.bisect.told import Seen, Told
    from lab.bisect.trier import Asked, GuestTrier
    from lab.session import Lab


class Asking:
    """What was asked on the command line, and who does it."""

    def __init__(
        self,
        opened: Lab,
        subject: Buildable,
        question: Question,
        words: tuple[str, str],
        confidence: float,
        asked: Asked,
    ) -> None:
        self.opened, self.subject, self.question = opened, subject, question
        self.words, self.confidence, self.asked = words, confidence, asked

    def run(self, *, json: bool) -> int:
        from lab.bisect.bisection import Bisection, Listener
        from lab.bisect.folder import Bisections
        from lab.bisect.log import Begun
        from lab.execution.cluster.asked import kernels_made_here
        from lab.model.records import now

        bisections = Bisections(self.opened.results)
        with self._trier() as trier:
            trier.refuse_pattern()
            begun = Begun(
                self.question.name,
                self._subject_name(),
                self.words,
                self.subject.old,
                self.subject.new,
                self.confidence,
                now(),
                tuple(sys.argv),
                given=trier.made_from(),
                noun=self.subject.noun,
                tested=trier.tested_with(),
            )
            other = bisections.changed_since(begun)
            name, _ = bisections.going_on(begun)
            say(f"lab: bisection {name}: {self.question.name}", err=True)
            if other is not None:
                said = "what is built or tested with has changed since"
                say(f"lab: not {other}, which asked the same: {said}", err=True)
            if where := kernels_made_here(self.opened.loaded):
                say(f"lab: {where}", err=True)
            with bisections.held(name) as log:
                bisection = Bisection(self.subject, self.question, trier, log)
                told = self._told(bisection)
                wanted = self._wanted(bisection)
                bisection.listener = Listener(wanted, on_end=_say_end, on_told=told)
                result = bisection.run()
        return self._end(name, log, result, json=json)

    def _subject_name(self) -> str:
        """With what else is run: another suite is another question."""
        return ", ".join((self.subject.name, *self.asked.named))

    @contextmanager
    def _trier(self) -> Iterator[GuestTrier]:
        from lab.bisect.trier import GuestTrier

        trier = GuestTrier(self.subject, self.question, self.asked, sys.argv)
        try:
            yield trier
        finally:
            trier.close()

    def _wanted(self, bisection: Bisection) -> Any:
        from lab.bisect.course import Phase
        from lab.bisect.words import purpose_of

        ends = set()

        def tell(wanted: Wanted) -> None:
            after = ""
            if wanted.phase is Phase.END:
                after = ", again" if wanted.point.key in ends else ""
                ends.add(wanted.point.key)
            elif wanted.phase is Phase.STEP:
                after = f", {bisection.course.left()} left"
            # A proof is not to read as if it were there.
            say(f"lab: {purpose_of(wanted.phase)}: {wanted.point}{after}", err=True)

        return tell

    def _told(self, bisection: Bisection) -> Any:
        from lab.bisect.words import side_word

        def tell(_: Wanted, told: Told) -> None:
            say(f"lab:   {side_word(bisection.log, told.side)}{told.why}", err=True)

        return tell

    def _end(self, name: str, log: Log, result: Result, *, json: bool) -> int:
        from lab.bisect.words import result_lines

        status = ExitStatus.EXPECTED if result.proved else ExitStatus.UNEXPECTED
        lines = [*result_lines(result, self.subject.noun, self.words), f"  {log.path.parent}"]
        print_bisection(json, document_of(name, log) | {"exit_status": int(status)}, lines)
        return status


def _say_end(_: Point, seen: Sequence[Seen]) -> None:
    from lab.bisect.words import seen_words

    say(f"lab:   {seen_words(seen)}", err=True)


def document_of(name: str, log: Log) -> dict[str, Any]:
    from lab.bisect.words import result_of, steps_of

    begun, ended, result = log.begun, log.ended, result_of(log)
    return {
        "bisection": name,
        "subject": begun.subject,
        "question": begun.question,
        "words": list(begun.words),
        "old": [point.key for point in begun.old],
        "new": begun.new.key,
        "confidence": begun.confidence,
        "refused": ended.refused or None if ended else None,
        "result": ended.result or None if ended else None,
        "proved": result is not None and result.proved,
        "steps": [
            {
                "step": one.number,
                "phase": one.phase.value,
                "point": one.point.key,
                "name": one.point.name,
                "title": one.point.title,
                "side": one.side.value if one.side else None,
                "said": one.said,
                "build_s": round(one.build_s, 1),
                "test_s": round(one.test_s, 1),
                "runs": list(one.runs),
            }
            for one in steps_of(log)
        ],
    }


def print_bisection(json: bool, document: dict[str, Any], lines: Iterable[str]) -> int:
    from lab.cli.progress import print_json

    if json:
        print_json(document)
    else:
        say_lines(lines)
    return ExitStatus.EXPECTED
