# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers: C programs, from a mail most likely, that tell by their exit status.

Each is one test of its own name, run with the mounted filesystem for its working directory.
Exit status 0 is a pass, 4 and 77 a skip (tools/testing/selftests/kselftest.h; automake's
"Scripts-based Testsuites"), all else a failure, and so is a signal that ends it: of programs
that print KTAP a signal is an error, since theirs say what failed.  126 and 127 are the
shell's, which could not start it.  One that does print KTAP is judged by that alone.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.model.glob import is_picked
from lab.model.status import Status
from lab.suites.c_compiler import compile_programs
from lab.suites.c_source import sources_of
from lab.suites.judge import Ended, Judged, bad_end, judge
from lab.suites.ktap import parse
from lab.suites.suite import BuiltPrograms, ProgramResult
from lab.text import without_escapes

_REPORT = re.compile(rb"^K?TAP version \d+\s*$", re.MULTILINE)
_SKIPS = (4, 77)
_NOT_STARTED = (126, 127)
_MESSAGE_LINES = 3
_KEPT_LINES = 20
_LONGEST = 200
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
        if _REPORT.search(output):
            report = parse(output)
            judged = judge(program, report, status, ended=ended, detail=detail, selected=selected)
            return ProgramResult(judged, report)
        said = tuple(_lines(output))
        outcome, why = _by_end(status, ended, detail)
        last = "; ".join(said[-_MESSAGE_LINES:])
        message = ": ".join(filter(None, (why, last)))
        cut = ended is Ended.INTERRUPTED
        return ProgramResult((Judged(program, outcome, message, said[-_KEPT_LINES:], cut=cut),))


def _by_end(status: int | None, ended: Ended, detail: str) -> tuple[Status, str]:
    """What its end comes to, and what of that its own words do not say."""
    if ended is Ended.EXITED and status is not None:
        return _by_status(status)
    bad = bad_end(ended, status, detail)
    return bad or (Status.ERROR, f"was interrupted ({detail})")


def _by_status(status: int) -> tuple[Status, str]:
    if status in (0, *_SKIPS):
        return (Status.SKIP if status else Status.PASS), ""
    if status in _NOT_STARTED:
        return Status.ERROR, f"could not be started: the shell gave status {status}"
    return Status.FAIL, _signal(status) or f"exited with status {status}"


def _signal(status: int) -> str:
    """What ended it, as a shell reports that: 128 + N; "" where that is no signal."""
    try:
        return f"was killed by {signal.Signals(status - 128).name}"
    except ValueError:
        return ""


def _lines(output: bytes) -> Iterator[str]:
    for line in output.decode(errors="replace").splitlines():
        if clean := without_escapes(line).strip():
            yield clean[:_LONGEST]
