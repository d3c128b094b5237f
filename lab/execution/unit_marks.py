# SPDX-License-Identifier: GPL-2.0-only
"""Which program ran between which of a guest's marks, where it counts instructions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.complaints import Lines
from lab.coverage.counts import UNITS, marks_of
from lab.execution.guest_session import GuestSession
from lab.execution.unit import Unit
from lab.model.log_mark import parse_mark
from lab.model.ran import Ran


@dataclass(frozen=True)
class UnitMarks:
    """A unit, how many marks its guest had made before it, and how many after."""

    ran: Ran
    before: int
    after: int

    def tests(self, names: tuple[str, ...]) -> dict[int, Ran] | None:
        """Which test ran before which mark; None where these names do not account for the marks.

        The first mark is the program's own, the last says that it has ended.
        """
        if self.after - self.before not in (len(names) + 1, len(names) + 2):
            return None
        found = {self.before + 1: self.ran}
        return found | {
            self.before + 2 + number: self.ran._replace(test=name)
            for number, name in enumerate(names)
        }


@contextmanager
def noting_marks(session: GuestSession, unit: Unit) -> Iterator[None]:
    """Note which marks a unit's guest made while it ran."""
    folder = session.guest.spec.folder
    before = marks_of(folder) if session.findings.job.counts else None
    if before is None:
        yield
        return
    try:
        yield
    finally:
        row = [*unit.ran, before, marks_of(folder) or before]
        with (folder / UNITS).open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def read_units(folder: Path) -> tuple[UnitMarks, ...]:
    """The units of a guest, in order.

    Raises:
        OSError, ValueError: Nobody noted them, or something else.
    """
    rows = [json.loads(line) for line in (folder / UNITS).read_text().splitlines()]
    return tuple(UnitMarks(Ran(*row[:4]), int(row[4]), int(row[5])) for row in rows)


def marked_tests(console: Path) -> tuple[tuple[str, ...], ...]:
    """The tests that each program marked in a guest, program by program, in order.

    Raises:
        OSError: The console cannot be read.
    """
    found: list[list[str]] = []
    lines = Lines()
    for line in lines.feed(console.read_bytes()):
        mark = parse_mark(line.text)
        if mark is not None and mark.test and found:
            found[-1].append(mark.test)
        elif mark is not None and mark.begins and not mark.test:
            found.append([])
    return tuple(map(tuple, found))
