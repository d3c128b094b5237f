# SPDX-License-Identifier: GPL-2.0-only
"""How long a night may bisect, and a trier that ends with that."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from lab.bisect.point import Point
from lab.bisect.told import Trial
from lab.bisect.trying import Trier


class BudgetEnded(Exception):  # no error: it is what was asked for
    """There is no time left for another trial."""


@dataclass
class Budget:
    """Seconds for all bisections of a night.

    What is under way is finished: nothing is begun for which there is less time than the last
    took.  The first of a night always is, or a budget below one step's time would come nowhere.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _last: float | None = None
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def left(self) -> float:
        """Seconds."""
        return self.seconds - (self.clock() - self._began)

    def require(self) -> None:
        """Raise BudgetEnded where nothing more is to be begun."""
        if self._last is not None and (self.left <= 0 or self.left < self._last):
            raise BudgetEnded

    def took(self, since: float) -> None:
        """A point was tried that was begun then."""
        self._last = self.clock() - since


@dataclass
class WithinBudget:
    """A Trier that raises BudgetEnded in place of a trial for which there is no time."""

    trier: Trier
    budget: Budget

    def try_(self, point: Point, times: int) -> Generator[Trial, None, None]:
        """See Trier."""
        self.budget.require()
        begun = self.budget.clock()
        try:
            with closing(self.trier.try_(point, times)) as trials:
                for trial in trials:
                    yield trial
                    if self.budget.left <= 0:
                        raise BudgetEnded
        finally:
            self.budget.took(begun)

    def prepare(self, points: Sequence[Point]) -> None:
        """See Trier."""
        self.trier.prepare(points)
