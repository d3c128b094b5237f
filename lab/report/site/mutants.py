# SPDX-License-Identifier: GPL-2.0-only
"""What became of a series' mutants, as its page has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.model.records import RunRecord
from lab.process.stored import read_stored
from lab.text import replace_controls

_MOST_TESTS = 12


@dataclass(frozen=True)
class ShownMutant:
    """One of them; ``said`` is what noticed it, or the tests that did not."""

    place: str
    kind: str
    change: str
    fate: str
    said: str
    bad: bool
    diff: str


@dataclass(frozen=True)
class ShownMutants:
    """Those of one kernel, survivors first."""

    kernel: str
    sentence: str
    mutants: tuple[ShownMutant, ...]


def shown_mutants(run: RunRecord, series: str) -> list[ShownMutants]:
    """What a run found of the mutants of a series, of each kernel; nothing of what is damaged."""
    if not run.folder:
        return []
    document = read_stored(Path(run.folder) / "mutants.json", dict[str, Any])
    if document is None or document.get("series") != series:
        return []
    try:
        return [_kernel(each) for each in document["kernels"]]
    except (KeyError, TypeError, AttributeError):
        return []


def _kernel(found: Mapping[str, Any]) -> ShownMutants:
    rows = sorted(map(_row, found["mutants"]), key=lambda row: not row.bad)
    return ShownMutants(found["kernel"], _sentence(found), tuple(rows))


def _sentence(found: Mapping[str, Any]) -> str:
    if found["why"]:
        return f"{'Not all' if found['mutants'] else 'None'}: {found['why']}"
    counts = found["counts"]
    told = counts["noticed"] + counts["survived"]
    others = (f"{count} {fate}" for fate, count in counts.items() if count)
    return f"Tests noticed {counts['noticed']} of {told}. Of {found['of']}: {', '.join(others)}."


def _row(row: Mapping[str, Any]) -> ShownMutant:
    change = f"{row['before']} → {row['after']}" if row["after"] else f"without {row['before']}"
    said = "; ".join(filter(None, (row["why"], ", ".join(_ran(row["ran"])))))
    return ShownMutant(
        place=f"{row['file']}:{row['line']}",
        kind=row["kind"],
        change=replace_controls(change),
        fate=row["fate"],
        said=replace_controls(said),
        bad=row["fate"] == "survived",
        diff=replace_controls(row["diff"].expandtabs(4)),
    )


def _ran(tests: list[str]) -> Iterator[str]:
    if tests:
        yield f"ran without noticing: {tests[0]}"
    yield from tests[1:_MOST_TESTS]
    if len(tests) > _MOST_TESTS:
        yield f"and {len(tests) - _MOST_TESTS} more"
