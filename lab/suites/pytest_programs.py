# SPDX-License-Identifier: GPL-2.0-only
"""Tests in files of pytest's: they run on this host, and ask a guest of their own each.

How such a test ended is said by the last line of its output, a JSON object that
``lab.pytest_plugin`` makes of pytest's reports; what is above it is for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError
from lab.model.status import Status
from lab.suites.judge import Ended, Judged, bad_end
from lab.suites.on_host import Players
from lab.suites.suite import BuiltPrograms, ProgramResult

#: Exit statuses that stand for what became of a test.
PASSED, FAILED, BROKEN, SKIPPED = 0, 1, 2, 4
_STATUSES = {
    PASSED: Status.PASS,
    FAILED: Status.FAIL,
    SKIPPED: Status.SKIP,
    BROKEN: Status.ERROR,
}
_KEPT_LINES = 40


@dataclass(frozen=True)
class PytestPrograms:
    """``guest-tests/test_NAME.py`` of the project in ``root``."""

    root: Path
    by_hand: bool = False

    @property
    def folder(self) -> Path:
        """Where their sources are."""
        return self.root / "guest-tests"

    def file(self, program: str) -> Path:
        """A program's file; of one that was given, beside no guest programs, in ``root``."""
        own = self.folder / program
        return own if own.is_file() else self.root / program

    def players(self) -> AbstractContextManager[Players]:
        """Processes of pytest, one for each file and variant."""
        # Most runs have no such suite.
        from lab.suites.pytest_player import PytestPlayers

        return PytestPlayers.for_folder(self.folder)

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Nothing of them goes into a guest; a file that is not there is told at once."""
        missing = [name for name in programs if not self.file(name).is_file()]
        failed = {
            name: UserError("there is no such file of tests", where=self.folder / name)
            for name in missing
        }
        return BuiltPrograms({}, failed)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """The files, and what they may import: modules and packages beside them, no other tests."""
        found: dict[str, Path] = {}
        for name in programs:
            file = self.file(name)
            beside = (path for path in _modules(file.parent) if not _is_test(path))
            found |= {name: file, **{str(path.relative_to(file.parent)): path for path in beside}}
        if (shared := self.file("conftest.py")).is_file():
            found.setdefault(shared.name, shared)
        yield from found.items()

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """It takes a process of pytest to know, and that comes before a guest boots anyway."""
        return None

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """What somebody would type; nothing runs it in a guest."""
        return ["pytest", f"{program}::{test}" if test else program]

    def listing(self, program: str, folder: str, pattern: str) -> list[str] | None:
        """No guest knows."""
        return None

    def listed(self, stdout: str, status: int) -> tuple[str, ...] | None:
        """Nothing is ever listed there."""
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
        """By the status; the message is what the last line says."""
        said = output.decode(errors="replace").splitlines()
        told = _last_line(said)
        lines = tuple(said[:-1] if told is not None else said)[-_KEPT_LINES:]
        cut = ended is Ended.INTERRUPTED
        if cut:
            bad: tuple[Status, str] | None = (Status.ERROR, f"was interrupted ({detail})")
        else:
            bad = bad_end(ended, status, detail)
        if bad is not None:
            return ProgramResult((Judged(program, *bad, diagnostics=lines, cut=cut),))
        own = status == BROKEN
        if told is None or status not in _STATUSES:
            why = (told[1] if told else detail) or "nobody said how it ended"
            return ProgramResult((Judged(program, Status.ERROR, why, lines, users_fault=own),))
        # By the test's own name: what the kernel complains of during it is charged to that.
        return ProgramResult((Judged(told[0], _STATUSES[status], told[1], lines, users_fault=own),))


def _modules(folder: Path) -> Iterator[Path]:
    """What Python finds there for an import, each package whole."""
    yield from sorted(folder.glob("*.py"))
    for package in sorted(folder.glob("*/__init__.py")):
        yield from sorted(package.parent.rglob("*.py"))


def _is_test(path: Path) -> bool:
    """Whether pytest takes it for a file of tests, by its name."""
    return path.match("test_*.py") or path.match("*_test.py")


def _last_line(lines: Sequence[str]) -> tuple[str, str] | None:
    """The test, and what is said of it."""
    try:
        found = json.loads(lines[-1])
        return str(found["test"]), str(found["message"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def last_line(test: str, message: str) -> str:
    """The line that an output of such a test has to end with."""
    return json.dumps({"test": test, "message": message})
