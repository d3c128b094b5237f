# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection of what got worse came to, in one night."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.nightly.worse import GotWorse

#: So many nights in a row may fail for reasons of the lab's or the machine's.
_MOST_FAILURES = 5


class Ending(StrEnum):
    """What became of a bisection in one night."""

    FOUND = "found"
    #: It is one of several that cannot be told apart.
    UNDECIDED = "undecided"
    #: The night's budget has.
    BUDGET_ENDED = "budget ended"
    #: The two commits do not differ in it.
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Culprit:
    """A commit; ``author`` is a name: who wrote it is told of, and never written to."""

    commit: str
    subject: str
    author: str


@dataclass(frozen=True)
class Bisected:
    """A bisection in a night.

    Args:
        bisection: Its name, for ``lab bisect log``; "" where none could be begun.
        lines: What is told of it.
        left: The commits of which it is one, or how many are left, as far as that is known.
        goes_on: Whether the next night goes on with it.
    """

    what: GotWorse
    ending: Ending
    bisection: str = ""
    lines: tuple[str, ...] = ()
    culprit: Culprit | None = None
    proved: bool = False
    probability: float | None = None
    left: tuple[Culprit, ...] = ()
    left_count: int | None = None
    steps: int = 0
    again: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether the next night goes on with it."""
        failed_less = self.ending is Ending.FAILED and self.what.failures < _MOST_FAILURES
        return self.ending is Ending.BUDGET_ENDED or (self.again and failed_less)

    @property
    def is_news(self) -> bool:
        """Whether it says what no night before has said."""
        return not self.goes_on
