# SPDX-License-Identifier: GPL-2.0-only
"""Programs that are run as their table says, and tell of their tests as it says, too."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.model.glob import is_picked
from lab.suites.judge import Ended
from lab.suites.manner import DEFAULT, Manner
from lab.suites.suite import ProgramResult


@dataclass(frozen=True)
class ByManner:
    """How such programs are run and understood; what builds them is their own.

    One that tells of several tests cannot be asked for some of them: it runs as a whole.
    """

    root: Path
    manner: Manner = DEFAULT

    @property
    def folder(self) -> Path:
        """Where their sources are."""
        return self.root / "guest-tests"

    @property
    def by_hand(self) -> bool:
        """Not where it takes files of this machine by their paths, or another root."""
        return not self.manner.image and not any("/" in tool for tool in self.manner.tools)

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """One, of its own name, where it tells by its end alone; else unknown."""
        if not self.manner.tells.single:
            return None
        return [program] if is_picked(program, pattern) else []

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """The program where its table says, and with what that says."""
        words = self._words(program, folder, pattern, test)
        return self.manner.command(words, folder, merged=self._merged) if words else []

    def shell(self, program: str, folder: str, pattern: str, test: str) -> str:
        """The same for a shell that stays."""
        if type(self).command is not ByManner.command:
            # Whoever is run otherwise says so in command() alone.
            return shlex.join(self.command(program, folder, pattern, test))
        words = self._words(program, folder, pattern, test)
        return self.manner.shell(words, folder, merged=self._merged) if words else ""

    @property
    def _merged(self) -> bool:
        """Whether what they say of errors is a part of their output."""
        return self.manner.tells.merged

    def _words(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        if self.tests(program, None, pattern) == []:
            return []
        return [f"/lab/{program}", *self.manner.arguments]

    def listing(self, program: str, folder: str, pattern: str) -> list[str] | None:
        """It cannot list anything."""
        return None

    def listed(self, stdout: str, status: int) -> tuple[str, ...] | None:
        """Nothing is ever listed."""
        return None

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
        """As its kind of output has it."""
        return self.manner.tells.judge(
            program, output, status, ended=ended, detail=detail, selected=selected
        )
