# SPDX-License-Identifier: GPL-2.0-only
"""A deadline: its name, and what is left of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Deadline:
    """``seconds`` from when it is made; its ``name`` is for who reads that it passed."""

    name: str
    seconds: float
    begun: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds until it passes; below 0 once it has."""
        return self.begun + self.seconds - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return self.left_s <= 0

    def __str__(self) -> str:
        """What an error says once it passed: ``fetch deadline of 30 s passed``."""
        return f"{self.name} deadline of {self.seconds:g} s passed"
