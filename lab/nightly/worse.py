# SPDX-License-Identifier: GPL-2.0-only
"""What got worse between two commits: the next night has to know what this one did not find."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from lab.model.test_key import TestKey
from lab.model.variant import Variant


@dataclass(frozen=True)
class GotWorse:
    """A test that speaks for all that got worse with it.

    Args:
        old, new: The commits of its last good word, and of the night in which it got worse.
        complaint: What the kernel complained of in it; "" where it did not.
        more: How many others got worse alike.
        failures: For how many nights in a row the bisection could not go on.
    """

    key: TestKey
    old: str
    new: str
    complaint: str = ""
    more: int = 0
    failures: int = 0

    @property
    def same(self) -> Hashable:
        """What makes it the same, another night."""
        return self.key, self.old, self.new

    @property
    def variant(self) -> Variant:
        """The kernel and the series on top of it."""
        return Variant(self.key.variant)
