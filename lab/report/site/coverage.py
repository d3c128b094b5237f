# SPDX-License-Identifier: GPL-2.0-only
"""What ran of a series, as its page has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.coverage.counted import DiffLine, Hunk, LineCount
from lab.model.records import RunRecord
from lab.report.coverage import read_coverage, shown, tests_line
from lab.text import replace_controls

_TAB = 4


@dataclass(frozen=True)
class ShownLine:
    """A line with its counts, and what is said of each when a pointer rests there."""

    base: str
    base_why: str
    patched: str
    patched_why: str
    text: str


@dataclass(frozen=True)
class ShownHunk:
    """Lines of a file that stand together."""

    file: str
    lines: tuple[ShownLine, ...]


@dataclass(frozen=True)
class ShownCoverage:
    """The lines of one kernel."""

    kernel: str
    means: str
    notes: tuple[str, ...]
    hunks: tuple[ShownHunk, ...]


def shown_coverage(run: RunRecord) -> list[ShownCoverage]:
    """What a run counted, of each kernel."""
    return [*_shown(run)] if run.folder else []


def _shown(run: RunRecord) -> Iterator[ShownCoverage]:
    for each in read_coverage(Path(run.folder) / "coverage"):
        hunks = tuple(map(_hunk, each.hunks))
        yield ShownCoverage(each.kernel, each.means, (*each.notes, *each.checks), hunks)


def _hunk(hunk: Hunk) -> ShownHunk:
    return ShownHunk(hunk.file, tuple(map(_line, hunk.lines)))


def _line(line: DiffLine) -> ShownLine:
    text = replace_controls(line.text.expandtabs(_TAB))
    return ShownLine(
        shown(line.base), _why(line.base), shown(line.patched), _why(line.patched),
        f"{line.change} {text}",
    )  # fmt: skip


def _why(count: LineCount | None) -> str:
    if count is None:
        return ""
    said = (f"line {count.number}: {count.state.value}", count.why, tests_line(count))
    return "; ".join(filter(None, said))
