# SPDX-License-Identifier: GPL-2.0-only
"""How every test ended in the last runs: what a report draws its histories from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.model.records import RunRecord, is_as_expected
from lab.model.status import Status
from lab.model.test_key import TestKey


@dataclass(frozen=True)
class End:
    """How a test ended in the run with this place in ``Trail.runs``."""

    run: int
    status: Status
    expected: Status

    @property
    def as_expected(self) -> bool:
        """See is_as_expected()."""
        return is_as_expected(self.status, self.expected)


@dataclass(frozen=True)
class Trail:
    """Runs up to one of them, the oldest first, and how each test ended in them.

    The runs' jobs hold no results; a test that ran twice in a run has two ends.
    """

    runs: tuple[RunRecord, ...] = ()
    ends: Mapping[TestKey, tuple[End, ...]] = field(default_factory=dict)

    @property
    def run(self) -> RunRecord:
        """The run the trail leads to."""
        return self.runs[-1]

    def baseline(self) -> str | None:
        """The id of the run to compare the last one with, if there is any.

        The latest one before it that finished and was asked the same; if there is none, the
        latest that has all of its jobs, each of a variant, machine and config, or else one.
        """
        mine = _jobs(self.run)
        earlier = [run for run in reversed(self.runs[:-1]) if run.finished is not None]
        whole = [run for run in earlier if mine <= _jobs(run)]
        same = [run for run in whole if run.question == self.run.question]
        some = [run for run in earlier if mine & _jobs(run)]
        return next((run.id for run in same or whole or some), None)


def _jobs(run: RunRecord) -> frozenset[tuple[str, str, str]]:
    return frozenset(job.names for job in run.jobs)
