# SPDX-License-Identifier: GPL-2.0-only
"""When a guest reached what."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Timeline:
    """Seconds since a guest's start, by the name of what was reached."""

    started: float = field(default_factory=time.monotonic)
    marks: list[tuple[str, float]] = field(default_factory=list)

    def mark(self, name: str) -> None:
        """Note that ``name`` was reached now."""
        self.marks.append((name, round(time.monotonic() - self.started, 3)))
