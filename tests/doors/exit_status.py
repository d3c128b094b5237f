# SPDX-License-Identifier: GPL-2.0-only
"""A suite that the lab does not come with: scripts that tell by their exit status alone.

0 is a pass, 4 a skip (tools/testing/selftests/kselftest.h), all else a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UserError
from lab.model.status import Status
from lab.suites.judge import Ended, Judged, bad_end
from lab.suites.suite import BuiltPrograms, ProgramResult

_STATUSES = {0: Status.PASS, 4: Status.SKIP}


@dataclass(frozen=True)
class ExitStatus:
    """``guest-tests/NAME.sh`` of the project in ``root``; each is a test."""

    root: Path
    by_hand: bool = False

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Nothing is to be built."""
        paths = {name: self._source(name) for name in programs}
        failed: dict[str, LabError] = {
            name: UserError("has no first line that says what runs it", where=path)
            for name, path in paths.items()
            if not path.read_text().startswith("#!")
        }
        return BuiltPrograms({name: paths[name] for name in paths if name not in failed}, failed)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """The scripts."""
        yield from ((f"{name}.sh", self._source(name)) for name in programs)

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """One, of its own name."""
        return [program] if pattern in program else []

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """It gets the folder, and no choice."""
        return [f"/lab/{program}", folder] if self.tests(program, None, pattern) else []

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
        """By its end; what it printed last says why."""
        if bad := bad_end(ended, status, detail):
            return ProgramResult((Judged(program, *bad),))
        said = output.decode(errors="replace").strip().splitlines()
        outcome = _STATUSES.get(status if status is not None else -1, Status.FAIL)
        return ProgramResult((Judged(program, outcome, said[-1] if said else ""),))

    def _source(self, name: str) -> Path:
        return self.root / "guest-tests" / f"{name}.sh"
