# SPDX-License-Identifier: GPL-2.0-only
"""Suites: programs built, run in a guest, and judged test by test."""

from __future__ import annotations

from pathlib import Path

from lab.config.kinds import SUITES
from lab.config.model import GivenSuite, LabConfig
from lab.config.model import Suite as Section
from lab.model.maker import made_by
from lab.suites.asked import Asked
from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import Report, Test, parse
from lab.suites.suite import BuiltPrograms, ProgramResult, Suite

__all__ = [
    "BuiltPrograms",
    "Ended",
    "Judged",
    "ProgramResult",
    "Report",
    "Suite",
    "Test",
    "judge",
    "parse",
    "suite_for",
    "suite_of",
]


def suite_of(kind: str, root: Path) -> Suite:
    """The suite of a kind of ``[suites.X]``, for the project in ``root``."""
    made: Suite = made_by(SUITES[kind].maker)(root)
    return made


def suite_for(
    section: Section, root: Path, program: str = "", config: LabConfig | None = None
) -> Suite:
    """The suite that a program of a table ``[suites.X]`` is of, or of a file that stands for one.

    Args:
        program: By default its first.
        config: With the deadlines of those that are built from a source.
    """
    project = section.project if isinstance(section, GivenSuite) else root
    maker = SUITES[section.kind].for_table
    if not maker:
        return suite_of(section.kind, project)
    asked = Asked.of(project, section, program or section.programs[0], config)
    made: Suite = made_by(maker)(asked)
    return made
