# SPDX-License-Identifier: GPL-2.0-only
"""Programs that print KTAP, or TAP as testanything.org has it."""

from __future__ import annotations

from dataclasses import dataclass

from lab.suites.judge import Ended, judge
from lab.suites.ktap import KTAP, TAP, Dialect, parse
from lab.suites.suite import ProgramResult


@dataclass(frozen=True)
class Report:
    """A report in a dialect of TAP: a plan, and a line for each test."""

    dialect: Dialect
    single: bool = False
    merged: bool = False

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
        """Each test of its report, and the report as a whole."""
        report = parse(output, self.dialect)
        judged = judge(program, report, status, ended=ended, detail=detail, selected=selected)
        return ProgramResult(judged, report)


IN_KTAP = Report(KTAP)
IN_TAP = Report(TAP)
