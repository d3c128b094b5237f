# SPDX-License-Identifier: GPL-2.0-only
"""A mutant's kernel tried in guests, as often as it takes until what they show is the kernel's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.analysis.mutant_score import Fate, Reference, Seen, TestName, judge
from lab.build import Build
from lab.execution.job import Job
from lab.execution.mutant_job import MutantJobs
from lab.model.records import JobRecord

#: One that only our own failure kept from being judged, or that hung, is tried so often.
_TRIES = 2


@dataclass(frozen=True)
class GuestTrial:
    """How one mutant is tried.

    Attributes:
        run: Runs a job.
        without: Tests that say nothing.
        first: Tests likeliest to notice.
        folder: Keeps what the guests leave.
    """

    jobs: MutantJobs
    run: Callable[[Job], JobRecord]
    reference: Reference
    without: Collection[TestName]
    first: tuple[TestName, ...]
    folder: Path

    def judged(self, mutant: Build, patched: Build) -> Seen:
        """What came of a mutant.

        A hang counts when it is seen twice, and the patched kernel, tried right after, does not
        hang there: else it may be the host's doing, and is an error.
        """
        return verdict(self._tries(mutant), lambda hung: self._seen(patched, "patched", hung))

    def _tries(self, mutant: Build) -> Iterator[Seen]:
        return (self._seen(mutant, f"try-{number}") for number in range(1, _TRIES + 1))

    def _seen(self, built: Build, folder: str, only: TestName | None = None) -> Seen:
        job = self.jobs.mutant(
            built, self.folder / folder, self.reference, self.without, self.first, only
        )
        return judge(self.run(job), self.reference)


def verdict(tries: Iterator[Seen], patched: Callable[[TestName], Seen]) -> Seen:
    """What the tries of a mutant come to.

    Args:
        patched: Tries the patched kernel with the program of a test.
    """
    hung: TestName | None = None
    seen = Seen(Fate.ERROR, "it was not tried")
    for seen in tries:
        if seen.fate is Fate.SURVIVED and hung:
            return Seen(Fate.ERROR, "it hung once, and once it did not")
        if seen.hung and hung:
            return _as_hung(seen, patched(seen.hung))
        if seen.fate is not Fate.ERROR and not seen.hung:
            return seen
        hung = seen.hung or hung
    return Seen(Fate.ERROR, f"a hang was seen but once: {seen.why}" if hung else seen.why)


def _as_hung(seen: Seen, patched: Seen) -> Seen:
    """What two hangs are worth, by what the patched kernel did after them."""
    if patched.fate is Fate.SURVIVED:
        return seen
    why = f"it hung, and the patch as it is did not do as ever right after: {patched.why}"
    return Seen(Fate.ERROR, why)
