# SPDX-License-Identifier: GPL-2.0-only
"""How sure an answer is, of a test that does not fail each time.

A failure is certain, a pass is not: what fails one time in five passes four times where the bug
is, too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, lgamma, log

from lab.model.rate import Rate

#: How likely a test fails each time where the bug is, before anything is known of it.  All other
#: rates are as likely as each other.  More do, but what fails seven times in ten fails three
#: times in a row at the bad end as well, one time in three: of those, answers of 0.99 were wrong
#: one time in 23 with 0.9 here, and one in 220 with this, for two passes more of the parent.
_STEADY = 0.2
#: Passes that one more point may cost at the end.
_MOST = 5000


def passes_needed(rate: float, confidence: float) -> int:
    """How many passes in a row are so sure a sign that the bug is not there.

    Args:
        rate: Of its failures where the bug is, above 0.
        confidence: Below 1; 21 passes for 0.99 and a rate of one in five.
    """
    if rate >= 1:
        return 1
    # What is a whole number of passes must not become one more for the way numbers are kept.
    return max(1, ceil(round(log(1 - confidence) / log(1 - rate), 9)))


@dataclass(frozen=True)
class Belief:
    """What is known of the rate, and of what else could be the change.

    Args:
        rate: How often what has the bug failed, of the times that it was tried; at least once.
        passes: How often each point passed that was told to be old.
        doubts: See ``Search``.
    """

    rate: Rate
    passes: Mapping[str, int]
    doubts: Sequence[Collection[str]]

    @property
    def probability(self) -> float:
        """Of the answer, each point having been as likely as any other, and the rate unknown."""
        return self._after(0, ())

    def more_passes(self, keys: Collection[str], confidence: float) -> int:
        """How often each of some points has to pass besides for an answer that is so sure.

        0 where no number of them that may be asked for is enough.
        """
        counts = range(_MOST)
        found = bisect_left(counts, confidence, key=lambda more: self._after(more, keys))
        return found if found < _MOST else 0

    def _after(self, more: int, keys: Collection[str]) -> float:
        others = Counter(self._chances(doubt, more, keys) for doubt in self.doubts)
        return 1 / (1 + sum(_odds(self.rate, n) * many for n, many in others.items()))

    def _chances(self, doubt: Collection[str], more: int, keys: Collection[str]) -> int:
        """How many passes would all have been chance."""
        return sum(self.passes.get(key, 0) + more * (key in keys) for key in doubt)


def _odds(rate: Rate, passes: int) -> float:
    """How likely is what was seen if so many passes were chance, to that if they were not.

    Over all rates that there may be.
    """
    failed, passed = rate.count + 1, rate.total - rate.count + 1
    chance = exp(_log_beta(failed, passed + passes) - _log_beta(failed, passed))
    if passed > 1 or not passes:
        return chance
    # It always failed: that it always does, and no pass is chance, is the other half of the odds.
    unsteady = (1 - _STEADY) * exp(_log_beta(failed, passed))
    return chance * unsteady / (_STEADY + unsteady)


def _log_beta(a: int, b: int) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
