# SPDX-License-Identifier: GPL-2.0-only
"""Whether the kernel complains of something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.analysis.bisect_status import came_to_run
from lab.bisect.question import OfGuest, trouble
from lab.bisect.signature import of_complaint, silent_in, test_of
from lab.bisect.told import Seen, Sight
from lab.model.complaint import Complaint
from lab.model.glob import is_picked
from lab.model.records import JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status


@dataclass(frozen=True)
class OfComplaint(OfGuest):
    """A Question of complaints: those with a title, a part of one, or a glob's.

    Args:
        pattern: The tests that run meanwhile; None for all.
    """

    title: str
    pattern: str | None = None

    #: Complaints do not say which repetition had them, and some come once a boot.
    repeats = False

    @property
    def name(self) -> str:
        """See Question."""
        during = f" during {self.pattern}" if self.pattern else ""
        return f'complaint "{self.title}"{during}'

    def look(self, run: RunRecord) -> tuple[Seen, ...]:
        """See Question."""
        found = list(self._asked(run))
        counted = [one for one in found if not one.doubtful]
        if counted:
            signature = dict.fromkeys(of_complaint(one.complaint) for one in counted)
            failed = {test_of(one) for one in counted} if all(one.test for one in counted) else ()
            said = next(iter(signature))
            return (Seen(Sight.FAILS, said, tuple(signature), failed=tuple(sorted(failed))),)
        if found:
            return (Seen(Sight.OURS, f"{found[0].benign}: {found[0].complaint}"),)
        if ours := trouble(run):
            return (ours,)
        return (self._without(run.jobs[0], run),)

    def _asked(self, run: RunRecord) -> Iterator[PlacedComplaint]:
        for job in run.jobs:
            for one in job.complaints:
                if self._is_asked(one.complaint):
                    yield one

    def _is_asked(self, complaint: Complaint) -> bool:
        """By its title alone, or by its kind and title, as reports have them."""
        return is_picked(complaint.title, self.title) or is_picked(str(complaint), self.title)

    def _without(self, job: JobRecord, run: RunRecord) -> Seen:
        """A kernel that did not complain of that; one that died before shows nothing."""
        if not came_to_run(job):
            return Seen(Sight.UNTESTABLE, "it did not boot")
        others = [one.complaint for one in job.complaints if not one.benign]
        if dead := next((one for one in others if one.breaks), None):
            return Seen(Sight.FAILS, str(dead), (of_complaint(dead),))
        if not any(_tested(one) for one in job.results):
            return Seen(Sight.UNTESTABLE, "no test ran")
        if lost := next((one for one in run.results if not one.ran), None):
            return Seen(Sight.UNTESTABLE, f"{lost.test} did not run: {lost.cause}")
        silent = [one for one in job.results if one.status is Status.SKIP]
        skipped = (f"{one.test}: {one.status}: {one.message}" for one in silent[:1])
        said = dict.fromkeys(str(one) for one in others)
        says = [f"it says {', '.join(said)}"] if said else []
        return Seen(Sight.PASSES, "; ".join((*skipped, *says)), silent=silent_in(silent))


def _tested(result: TestResult) -> bool:
    return result.ran and result.has_word and result.status is not Status.SKIP
