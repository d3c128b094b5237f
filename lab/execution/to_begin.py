# SPDX-License-Identifier: GPL-2.0-only
"""The jobs of a run that are not begun: given out as their builds come, the longest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from math import inf

from lab.execution.jobs import Jobs
from lab.plan import BuildRequest

#: Seconds that jobs took, by variant, machine and config.
Lasted = Mapping[tuple[str, str, str], float]


class ToBegin:
    """In the order of the plan, where it is not known how long they take.

    The longest first: whoever begins one as the last others end has all of them wait for it
    (Graham, 1969: that way it is a third of the whole at most).  What is compared goes together,
    one after the other on one host, the base first.
    """

    def __init__(self, jobs: Jobs, numbers: Iterable[int], lasted: Lasted) -> None:
        """Take jobs of the plan in, by number.

        Args:
            lasted: Of jobs like these; one that is not among them may be the longest.
        """
        self._jobs, self._lasted = jobs, lasted
        self._long: dict[tuple[str, str, str], float] = {}
        self._waiting: dict[BuildRequest, list[int]] = {}
        self._ready: list[tuple[float, int]] = []
        for number in numbers:
            self._take_in(number)

    def _take_in(self, number: int) -> None:
        planned, pair = self._jobs.plan.jobs[number], self._pair(number)
        takes_s = self._lasted.get(planned.names, inf)
        self._long[pair] = self._long.get(pair, 0.0) + takes_s
        self._waiting.setdefault(planned.build, []).append(number)

    def __bool__(self) -> bool:
        return bool(self._waiting or self._ready)

    def next(self) -> int | None:
        """The next of those whose build is there, which is begun now; None where none is."""
        there = [build for build in self._waiting if self._jobs.builds.is_there(build)]
        for number in (number for build in there for number in self._waiting.pop(build)):
            heappush(self._ready, (-self._long[self._pair(number)], number))
        return heappop(self._ready)[1] if self._ready else None

    def _pair(self, number: int) -> tuple[str, str, str]:
        """What a job has in common with those that it is compared with."""
        planned = self._jobs.plan.jobs[number]
        base = self._jobs.bases.base_of(planned.variant)
        return (base or planned.variant, planned.machine, planned.config)
