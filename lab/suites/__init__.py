# SPDX-License-Identifier: GPL-2.0-only
"""Suites: programs built, run in a guest, and judged test by test."""

from __future__ import annotations

from pathlib import Path

from lab.config.kinds import SUITES
from lab.model.maker import made_by
from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import Report, Test, parse
from lab.suites.suite import Built, Ran, Suite

__all__ = [
    "Built",
    "Ended",
    "Judged",
    "Ran",
    "Report",
    "Suite",
    "Test",
    "judge",
    "parse",
    "suite_of",
]


def suite_of(kind: str, root: Path) -> Suite:
    """The suite of a kind of ``[suites.X]``, for the project in ``root``."""
    made: Suite = made_by(SUITES[kind].maker)(root)
    return made
