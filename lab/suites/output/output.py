# SPDX-License-Identifier: GPL-2.0-only
"""What a kind of output is: how a program tells of its tests, and what that comes to."""

from __future__ import annotations

from typing import Protocol

from lab.suites.judge import Ended
from lab.suites.suite import ProgramResult


class Output(Protocol):
    """How programs of one sort tell of their tests."""

    @property
    def single(self) -> bool:
        """Whether a program is one test, of its own name, as long as it prints no report."""

    @property
    def merged(self) -> bool:
        """Whether what a program says of errors is a part of that."""

    def judge(
        self,
        program: str,
        output: bytes,
        status: int | None,
        *,
        ended: Ended,
        detail: str,
        selected: bool,
    ) -> ProgramResult:
        """Judge a program by what it printed, and by how it ended: as Suite.judge() does."""
