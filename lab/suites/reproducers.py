# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers: C programs, from a mail most likely, that tell by their exit status.

Each is one test of its own name, run with the mounted filesystem for its working directory,
and judged by ``lab.suites.output.exit``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.model.glob import is_picked
from lab.suites.asked import Asked
from lab.suites.c_compiler import compile_programs
from lab.suites.c_source import sources_of
from lab.suites.judge import Ended
from lab.suites.output.exit import EXIT
from lab.suites.suite import BuiltPrograms, ProgramResult

#: What does not mount has no folder, and a program that runs elsewhere shows nothing.
_IN_FOLDER = 'cd "$0" || exit 126; exec "$@" 2>&1'


@dataclass(frozen=True)
class Reproducers:
    """``guest-tests/NAME.c`` of the project in ``root``, run with these ``arguments``."""

    root: Path
    arguments: tuple[str, ...] = ()
    by_hand: bool = True

    @property
    def folder(self) -> Path:
        """Where their sources are."""
        return self.root / "guest-tests"

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Compile each as the programs of ``guest-tests/`` are."""
        return compile_programs(self.folder, programs, cache=cache)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """Their own files; what they are linked with every guest's programs have, too."""
        top = self.folder.resolve()
        for program in programs:
            for path, _ in sources_of(self.folder, program).own:
                yield str(path.relative_to(top)), path

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """One, of its own name."""
        return [program] if is_picked(program, pattern) else []

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """The program in the folder, what it says of errors among the rest."""
        if not is_picked(program, pattern):
            return []
        return ["sh", "-c", _IN_FOLDER, folder, f"/lab/{program}", *self.arguments]

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
        """By its report if it prints one, else by its end; its last lines are the message."""
        return EXIT.judge(program, output, status, ended=ended, detail=detail, selected=selected)


def with_arguments(asked: Asked) -> Reproducers:
    """Those of a table."""
    return Reproducers(asked.root, asked.section.arguments)
