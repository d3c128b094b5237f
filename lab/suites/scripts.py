# SPDX-License-Identifier: GPL-2.0-only
"""Scripts of ``guest-tests/``, and other files that a kernel can run, as they are.

What the first line of one names must be in the guest: a part of its image, or one of the
tools that its table brings there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import LabError, UserError
from lab.model.status import Status
from lab.suites.by_manner import ByManner
from lab.suites.guest_tools import with_tools
from lab.suites.judge import Ended, Judged
from lab.suites.program_file import ProgramFile, kept
from lab.suites.suite import BuiltPrograms, ProgramResult

#: What is no word on the kernel once a command of the script was not there.
_EARNED = {Status.PASS, Status.FAIL, Status.SKIP}


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
        if (missing := _missing(program, output, detail)) is None:
            return found
        return replace(found, judged=tuple(_unearned(one, missing) for one in found.judged))


def _missing(program: str, output: bytes, detail: str) -> str | None:
    """The command that the script's shell did not find: ash, bash and dash say so alike."""
    said = rf"^/lab/{re.escape(program)}: (?:line )?\d+: (\S+): (?:command )?not found\s*$"
    text = f"{output.decode(errors='replace')}\n{detail}"
    match = re.search(said, text, re.MULTILINE)
    return match[1] if match else None


def _unearned(judged: Judged, missing: str) -> Judged:
    if judged.status not in _EARNED:
        return judged
    why = f'there is no {missing} in the guest: tools = ["{missing}"] in its table of lab.toml'
    message = f"{why} (the test itself: {judged.status})"
    return replace(judged, status=Status.ERROR, message=message)
