# SPDX-License-Identifier: GPL-2.0-only
"""Who is told what the lab is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lab.build import Step
    from lab.model.records import TestResult


class Listener(Protocol):
    """Told what the lab is doing; the command line shows it."""

    def say(self, message: str) -> None:
        """Something began or ended."""

    def step(self, variant: str, step: Step) -> None:
        """``make`` did one step of a build."""

    def result(self, result: TestResult) -> None:
        """A test ended."""


class Silent:
    """A listener that shows nothing."""

    def say(self, message: str) -> None:
        """Show nothing."""

    def step(self, variant: str, step: Step) -> None:
        """Show nothing."""

    def result(self, result: TestResult) -> None:
        """Show nothing."""
