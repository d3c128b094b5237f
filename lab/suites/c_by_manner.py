# SPDX-License-Identifier: GPL-2.0-only
"""C programs of ``guest-tests/`` that are run as their table says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.suites.by_manner import ByManner
from lab.suites.c_compiler import compile_programs
from lab.suites.c_programs import CPrograms
from lab.suites.guest_tools import with_tools
from lab.suites.judge import Ended
from lab.suites.suite import BuiltPrograms, ProgramResult


@dataclass(frozen=True)
class CByManner(ByManner):
    """``guest-tests/NAME.c``: with the folder and ``-k``, unless its table says what it prints.

    A table that gives arguments knows what its programs take.
    """

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Compile each as the programs of ``guest-tests/`` are, and bring its tools."""
        built = compile_programs(self.folder, programs, cache=cache)
        return with_tools(built, programs, self.manner.tools)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """As those of ``guest-tests/``."""
        return CPrograms(self.root).sources(programs)

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """What the program says itself, or its table."""
        if self._is_ktap:
            return CPrograms(self.root).tests(program, built, pattern)
        return super().tests(program, built, pattern)

    @property
    def _merged(self) -> bool:
        return not self._is_ktap and super()._merged

    def _words(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """``/lab/PROGRAM FOLDER -k PATTERN``, or as a script is run."""
        if not self._is_ktap:
            return super()._words(program, folder, pattern, test)
        return CPrograms(self.root).command(program, folder, pattern, test)

    def listing(self, program: str, folder: str, pattern: str) -> list[str] | None:
        """The same with ``-l``."""
        if not self._is_ktap:
            return None
        return [*self.command(program, folder, pattern, ""), "-l"]

    def listed(self, stdout: str, status: int) -> tuple[str, ...] | None:
        """The names that it told."""
        return CPrograms(self.root).listed(stdout, status) if self._is_ktap else None

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
        """By its report, or as its table has it."""
        tells = CPrograms(self.root).judge if self._is_ktap else super().judge
        return tells(program, output, status, ended=ended, detail=detail, selected=selected)

    @property
    def _is_ktap(self) -> bool:
        return not self.manner.output and not self.manner.arguments
