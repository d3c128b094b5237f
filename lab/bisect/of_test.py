# SPDX-License-Identifier: GPL-2.0-only
"""Whether a test passes, or all that a glob picks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.analysis.bisect_status import came_to_run
from lab.bisect.question import OfGuest, trouble
from lab.bisect.repetition import repetitions
from lab.bisect.signature import of_result, silent_in, test_of
from lab.bisect.told import Seen, Sight
from lab.model.glob import is_picked
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import BAD, DEAD, Status
from lab.model.unrun import Unrun


@dataclass(frozen=True)
class OfTest(OfGuest):
    """A Question of tests: those that ``-k`` picks; all where it is None."""

    pattern: str | None = None

    @property
    def name(self) -> str:
        """See Question."""
        return f"test {self.pattern}" if self.pattern else "all tests"

    def look(self, run: RunRecord) -> tuple[Seen, ...]:
        """See Question."""
        seen = [self._repetition(job) for job in repetitions(run)]
        if ours := trouble(run) or _lost(run):
            failed = [one for one in seen if one.sight is Sight.FAILS]
            return (*failed, ours)
        return tuple(seen)

    def _repetition(self, job: JobRecord) -> Seen:
        bad = list(self._bad(job))
        if bad and not came_to_run(job):
            return Seen(Sight.UNTESTABLE, f"it did not boot: {bad[0].message}")
        if bad:
            signature = dict.fromkeys(text for one in bad for text in of_result(job, one))
            failed = dict.fromkeys(test_of(one) for one in bad if self._asks(one))
            return Seen(Sight.FAILS, _words(bad), tuple(signature), failed=tuple(failed))
        return self._passed(job)

    def _passed(self, job: JobRecord) -> Seen:
        asked = [one for one in job.results if self._asks(one)]
        if broken := next((one for one in job.results if one.broke_off), None):
            return Seen(Sight.UNTESTABLE, f"{broken.test}: {broken.stopped_by}")
        silent = [one for one in asked if one.status is not Status.PASS]
        skipped = next((f"{one.test}: {one.status}: {one.message}" for one in silent), "")
        if len(silent) < len(asked):
            return Seen(Sight.PASSES, skipped, silent=silent_in(silent))
        return Seen(Sight.UNTESTABLE, skipped or f"no result of {self.name}")

    def _asks(self, one: TestResult) -> bool:
        return is_picked(one.test, self.pattern or "")

    def _bad(self, job: JobRecord) -> Iterator[TestResult]:
        """What failed of what was asked; a program that ended badly is that of its tests."""
        for one in job.results:
            fails = one.status in BAD or bool(one.status is Status.ERROR and one.signal)
            asked = self._asks(one) or one.test == one.program
            if fails and (asked or one.status in DEAD):
                yield one


def _lost(run: RunRecord) -> Seen | None:
    """What nobody ran, though it was asked; that enough failed is no reason to ask again."""
    for one in run.results:
        if one.unrun in (Unrun.LOST, Unrun.INTERRUPTED):
            return Seen(Sight.OURS, f"{one.test} did not run: {one.cause}")
    return None


def _words(bad: list[TestResult]) -> str:
    first = bad[0]
    more = f" (and {len(bad) - 1} more)" if bad[1:] else ""
    said = first.stopped_by if first.stopped else first.message.partition("\n")[0]
    return f"{first.test}: {first.status}: {said}".removesuffix(": ") + more
