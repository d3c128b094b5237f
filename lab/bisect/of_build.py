# SPDX-License-Identifier: GPL-2.0-only
"""Whether a kernel builds, and whether it boots."""

from __future__ import annotations

from dataclasses import dataclass

from lab.analysis.bisect_status import came_to_run
from lab.bisect.question import OfGuest, trouble
from lab.bisect.signature import of_complaint, of_error, of_result
from lab.bisect.told import Seen, Sight
from lab.errors import InfrastructureError, LabError
from lab.model.records import JobRecord, RunRecord
from lab.model.status import BAD

_UNBUILT = "it does not build"


@dataclass(frozen=True)
class OfBuild:
    """A Question of the build: nothing boots, and a second time gives the same.

    Args:
        however: Whether a kernel that does not build is one, whatever stops it: of the mends of
            an old kernel each is for another error, and the first one hides the others.
    """

    however: bool = False

    pattern = None
    name = "build"
    needs_guest = False
    repeats = False
    trials = 0
    steady = True

    def look(self, run: RunRecord) -> tuple[Seen, ...]:
        """See Question; a build has no run."""
        raise NotImplementedError

    def unbuilt(self, error: LabError) -> Seen:
        """See Question."""
        if isinstance(error, InfrastructureError):
            return Seen(Sight.OURS, error.what)
        signature = _UNBUILT if self.however else of_error(error)
        return Seen(Sight.FAILS, error.what, (signature,))

    def built(self) -> Seen:
        """See Question."""
        return Seen(Sight.PASSES)

    def is_beyond(self, value: float, reference: float | None) -> bool:
        """See Question; nothing is measured."""
        raise NotImplementedError


@dataclass(frozen=True)
class OfBoot(OfGuest):
    """A Question of the boot: whether a guest comes so far that programs could run in it."""

    pattern = None
    name = "boot"
    repeats = False

    def look(self, run: RunRecord) -> tuple[Seen, ...]:
        """See Question."""
        job = next(iter(run.jobs), None)
        if job is not None and came_to_run(job):
            return (Seen(Sight.PASSES),)
        if job is not None and any(one.status in BAD for one in job.results):
            return (_dead(job),)
        ours = Seen(Sight.OURS, "nobody knows whether it booted")
        return (trouble(run) or ours,)


def _dead(job: JobRecord) -> Seen:
    """A kernel that did not come so far: what it complained of, else how it ended."""
    bad = next(one for one in job.results if one.status in BAD)
    said = [of_complaint(one.complaint) for one in job.complaints if not one.benign]
    # That a test did not run is the same for each.
    ended = tuple(text.partition(": ")[2] for text in of_result(job, bad))
    return Seen(Sight.FAILS, bad.message, tuple(dict.fromkeys(said)) or ended)
