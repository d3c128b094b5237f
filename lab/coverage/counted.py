# SPDX-License-Identifier: GPL-2.0-only
"""The lines of a series and how often each ran, without the series and with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab.model.ran import Ran


class LineState(StrEnum):
    """What became of a line in one kernel."""

    RAN = "ran"
    #: Only in tests that did not pass.
    FAILING = "ran in failing tests only"
    NEVER = "never ran"
    #: It is code, and no instruction is its own.
    MERGED = "compiled away"
    #: Blank, a comment, a brace, a declaration, a directive, data.
    NOT_CODE = "not code"
    #: It is in no object of this kernel.
    NOT_BUILT = "not built"
    #: Nobody could count it, and ``why`` says what was in the way.
    UNKNOWN = "not counted"


#: Of these it is known how often they ran.
COUNTED = frozenset((LineState.RAN, LineState.FAILING, LineState.NEVER))


@dataclass(frozen=True)
class LineCount:
    """A line of one kernel's source.

    Attributes:
        number: In its file, from 1.
        count: How often it ran in all tests together, and between them.
        tests: (test, how often) pairs, of those in which it did; a program that does not mark
            its tests is one.
        why: What more is to be said: into what it was merged, why it was not counted.
        idle: It has no count, and did not run for sure: nothing of its function did, or the
            kernel has no such function.
    """

    number: int
    state: LineState
    count: int = 0
    tests: tuple[tuple[Ran, int], ...] = ()
    why: str = ""
    idle: bool = False


@dataclass(frozen=True)
class DiffLine:
    """A line of the diff between two kernels: ``change`` is "+", "-" or " ".

    A side is None where the line is not there.
    """

    change: str
    text: str
    base: LineCount | None = None
    patched: LineCount | None = None


@dataclass(frozen=True)
class Hunk:
    """Lines of one file that stand together; its name is relative to the top of the tree."""

    file: str
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True)
class Coverage:
    """What ran of a series on one kernel, with one config on one machine.

    Attributes:
        means: What counted.
        notes: What is wanting of it, a sentence each.
        checks: With what the counts were compared, and found the same.
    """

    kernel: str
    machine: str
    config: str
    hunks: tuple[Hunk, ...]
    means: str = ""
    notes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    @property
    def added(self) -> Iterator[tuple[str, LineCount]]:
        """(file, line) pairs of what the series adds."""
        for hunk in self.hunks:
            for line in hunk.lines:
                if line.change == "+" and line.patched is not None:
                    yield hunk.file, line.patched

    @property
    def still(self) -> tuple[tuple[str, LineCount], ...]:
        """Those of the added lines of which it is known that they did not run."""
        return tuple(pair for pair in self.added if _is_still(pair[1]))

    @property
    def nothing_ran(self) -> bool:
        """Whether lines were added that could have run, and it is known of all that none did."""
        others = {line.state for _, line in self.added if not _is_still(line)}
        return bool(self.still) and not others & _MAY_HAVE

    def tests_of(self, file: str, number: int) -> tuple[Ran, ...]:
        """The tests that ran a line of the kernel with the series, those first that did so most."""
        for hunk in self.hunks:
            for line in hunk.lines if hunk.file == file else ():
                if line.patched is not None and line.patched.number == number:
                    ordered = sorted(line.patched.tests, key=lambda pair: -pair[1])
                    return tuple(test for test, _ in ordered)
        return ()


#: What no instruction is left of may have been done by another's.
_MAY_HAVE = frozenset((LineState.RAN, LineState.FAILING, LineState.MERGED, LineState.UNKNOWN))


def _is_still(line: LineCount) -> bool:
    return line.idle or line.state is LineState.NEVER
