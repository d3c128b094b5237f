# SPDX-License-Identifier: GPL-2.0-only
"""Programs that print KTAP, pick tests by ``-k`` and list them by ``-l``, however built."""

from __future__ import annotations

import re

from lab.suites.exact_pattern import only
from lab.suites.judge import Ended
from lab.suites.output.ktap import IN_KTAP
from lab.suites.suite import ProgramResult

_REPORT = re.compile(r"^(?:K?TAP version \d+|1\.\.\d+)\b", re.MULTILINE)


class KtapPrograms:
    """How programs in a guest's ``/lab`` are run and understood."""

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """``/lab/PROGRAM FOLDER -k PATTERN``."""
        picked = only(test) if test else pattern
        return [f"/lab/{program}", folder, *(["-k", picked] if picked else [])]

    def listing(self, program: str, folder: str, pattern: str) -> list[str] | None:
        """The same with ``-l``."""
        return [*self.command(program, folder, pattern, ""), "-l"]

    def listed(self, stdout: str, status: int) -> tuple[str, ...] | None:
        """One that does not know ``-l`` runs instead: what it prints is a report."""
        if status != 0 or _REPORT.search(stdout):
            return None
        return tuple(filter(None, stdout.splitlines()))

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
        return IN_KTAP.judge(program, output, status, ended=ended, detail=detail, selected=selected)
