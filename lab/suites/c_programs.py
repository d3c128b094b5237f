# SPDX-License-Identifier: GPL-2.0-only
"""The suites of ``guest-tests/``: C programs that print KTAP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import run
from lab.suites.c_compiler import compile_programs
from lab.suites.c_source import sources_of
from lab.suites.ktap_programs import KtapPrograms
from lab.suites.suite import BuiltPrograms

#: The Makefile links every program with it, whatever it includes.
LIBRARY = ("ktap", "residency", "mapping", "dax")
#: How a program says that it knows -l: others would do here what they are to do in a guest.
_KNOWS = re.compile(r'^\s*#\s*include\s*"ktap\.h"', re.MULTILINE)
_DEADLINE_S = 10


@dataclass(frozen=True)
class CPrograms(KtapPrograms):
    """``guest-tests/NAME.c`` of the project in ``root``, compiled for a guest."""

    root: Path
    by_hand: bool = True

    @property
    def folder(self) -> Path:
        """Where their sources are."""
        return self.root / "guest-tests"

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Compile each once for all that goes into it."""
        return compile_programs(self.folder, programs, cache=cache)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """Their own files, what they are linked with, and all of the folder that these include."""
        top = self.folder.resolve()
        named = dict.fromkeys((*programs, *LIBRARY))
        # They have most in common, and each is read and written once.
        found = dict.fromkeys(path for name in named for path, _ in sources_of(top, name).own)
        return ((str(path.relative_to(top)), path) for path in found)

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """What the program says itself; unknown where it might run its tests instead."""
        if built is None or not _knows(self.folder / f"{program}.c"):
            return None
        # It makes nothing, and opens no folder, before it has told its names.
        command: list[str | Path] = [built, *self.command(program, "/", pattern, "")[1:], "-l"]
        try:
            return run(command, timeout=_DEADLINE_S).stdout.split("\n")[:-1]
        except LabError:
            return None


def _knows(source: Path) -> bool:
    try:
        return _KNOWS.search(source.read_text(errors="replace")) is not None
    except OSError:
        return False
