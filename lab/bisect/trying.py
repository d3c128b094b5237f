# SPDX-License-Identifier: GPL-2.0-only
"""Who tries a point: real guests, or ones that are played."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from lab.bisect.point import Point
from lab.bisect.told import Trial


class Trier(Protocol):
    """Builds points and asks the question of them."""

    def try_(self, point: Point, times: int) -> Generator[Trial, None, None]:
        """Try a point in a guest that was booted for it, and say what each trial shows.

        At least one; it may end after one that fails, and does after one that is untestable, or
        ours: who needs more asks again.  Who iterates may stop at any trial, and closes the
        iterator then: no more is run.  It raises nothing for what a point or the machine comes
        to: that is a ``Sight``.

        Args:
            times: How often, at most.
        """

    def prepare(self, points: Sequence[Point]) -> None:
        """Build what is likely to be tried next, the likeliest first, while a guest runs.

        Returns at once; whatever else it prepared is no longer wanted.
        """
