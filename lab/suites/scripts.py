# SPDX-License-Identifier: GPL-2.0-only
"""Scripts of ``guest-tests/``, and other files that a kernel can run, as they are.

What the first line of one names must be in the guest: a part of its image, or one of the
tools that its table brings there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UserError
from lab.suites.by_manner import ByManner
from lab.suites.guest_tools import with_tools
from lab.suites.judge import Ended
from lab.suites.missing_command import unless_missing
from lab.suites.program_file import ProgramFile, kept
from lab.suites.suite import BuiltPrograms, ProgramResult


@dataclass(frozen=True)
class Scripts(ByManner):
    """``guest-tests/NAME`` of the project in ``root``."""

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Nothing is compiled; a copy of each is kept, so that what is run is what was read."""
        files: dict[str, Path] = {}
        failed: dict[str, LabError] = {}
        for program in dict.fromkeys(programs):
            try:
                found = ProgramFile.read(self.folder, program)
                # An image has interpreters and libraries of its own.
                needs = {} if self.manner.image else found.needs(self.manner.tools)
                files |= {program: kept(found, cache), **needs}
            except LabError as error:
                failed[program] = error
        return with_tools(BuiltPrograms(files, failed), programs, self.manner.tools)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """The scripts; what is no text has no source here."""
        for program in programs:
            with suppress(UserError):
                if ProgramFile.read(self.folder, program).interpreter:
                    yield program, self.folder / program

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
        """As its kind of output has it, unless its shell found no such command."""
        found = super().judge(
            program, output, status, ended=ended, detail=detail, selected=selected
        )
        return unless_missing(found, program, output, detail)
