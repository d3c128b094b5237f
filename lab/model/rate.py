# SPDX-License-Identifier: GPL-2.0-only
"""How often something came, of the times it was tried, and what that says of how often it comes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

#: Of the standard normal distribution, 95 % lie within so many deviations.
_Z = 1.959964


@dataclass(frozen=True)
class Rate:
    """``count`` of ``total`` times, the total being at least 1."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """Between which shares the true one lies, with 95 % confidence.

        Wilson's score interval (E. B. Wilson, "Probable Inference, the Law of Succession, and
        Statistical Inference", JASA 22, 1927): it says something of 0 and of all, too, where the
        textbook's has no width, and it keeps within 0 and 1.
        """
        share, weight = self.count / self.total, _Z * _Z / self.total
        middle = (share + weight / 2) / (1 + weight)
        half = _Z * sqrt(share * (1 - share) / self.total + weight / self.total / 4) / (1 + weight)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        """``97/100 [91.5%, 99.0%]``."""
        low, high = (f"{share:.1%}".replace(".0%", "%") for share in self.interval)
        return f"{self.count}/{self.total} [{low}, {high}]"
