# SPDX-License-Identifier: GPL-2.0-only
"""Whether guests that start from a saved state count what one counts that was booted.

QEMU translates a restored guest's code anew, and a counter that took the state for the boot, or
the other way round, would show lines as run that were not.  So a few programs of a build are run
in a booted guest, too, and what both counted of their tests has to be the same; once for a build.

What the whole system runs (to clear a page) is counted otherwise each time.  So where the two
differ a second guest is booted: a line that it counts otherwise than the first shows nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from lab.build import Build
from lab.builder import Builder
from lab.errors import InfrastructureError
from lab.execution.job import Job
from lab.execution.prepare import Preparer
from lab.execution.run_job import JobInterrupted, run_job
from lab.model.ran import Ran
from lab.model.records import JobRecord
from lab.plan import JobPlan
from lab.process.scratch import write_whole
from lab.process.stored import read_stored
from lab.results import JobFolder

_NOTE = "counted-cold.json"
_MOST_NAMED = 5
#: How often a line ran in each test of a program, by file and number.
LineCounts = Mapping[str, Mapping[Ran, int]]


class Booted(NamedTuple):
    """What a booted guest counts of some programs.

    Attributes:
        outside: The lines that ran in it, and in no test.
    """

    lines: LineCounts
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """Programs whose counts are compared.

    Attributes:
        restored: What the run's guests counted of them.
        of: How many lines ran in any test of the run.
    """

    some: tuple[Ran, ...]
    restored: LineCounts
    of: int


@dataclass(frozen=True)
class ColdCheck:
    """What a booted guest counted otherwise, a line each; nothing where it is the same.

    Attributes:
        unit: The programs that both ran.
        compared: How many lines ran in one of them at least; with none nothing was compared.
        of: How many lines ran in any test of the run.
        outside: The lines that ran in the booted guest, and in no test of it.
        unsteady: The lines that two booted guests counted otherwise.
    """

    unit: str
    compared: int
    unlike: tuple[str, ...]
    outside: tuple[str, ...]
    of: int
    unsteady: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """How much was compared, for people."""
        return f"{self.compared} of the {self.of} lines that ran, in {self.unit}"

    @property
    def doubt(self) -> str:
        """Of what this is no check, for people; "" where it is of all."""
        if not self.unsteady:
            none = "nothing was compared with a guest that was booted: no line ran"
            return "" if self.compared else none
        more = len(self.unsteady) - _MOST_NAMED
        named = ", ".join(self.unsteady[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"no two guests count the same of {named}: they are not compared"


@dataclass(frozen=True)
class ColdGuest:
    """Runs programs of a job in a guest that is booted.

    Attributes:
        probes: The file that says what is counted.
    """

    builder: Builder
    planned: JobPlan
    built: Build
    probes: Path

    def known(self, asked: str) -> ColdCheck | None:
        """What was found out before of the same build, by a digest of what is counted."""
        note = read_stored(self._note, dict[str, ColdCheck])
        return (note or {}).get(asked)

    def keep(self, asked: str, found: ColdCheck) -> None:
        """Keep it with the build.

        Raises:
            OSError: It cannot be written; the build is still good.
        """
        known = read_stored(self._note, dict[str, ColdCheck]) or {}
        rows = {**known, asked: found}
        document = {key: vars(row) for key, row in rows.items()}
        write_whole(self._note, json.dumps(document, indent=1).encode())

    @property
    def _note(self) -> Path:
        return self.built.folder / _NOTE

    def run(self, some: Collection[Ran], folder: Path) -> JobRecord:
        """Run some of the job's programs.

        Raises:
            InfrastructureError: The job has not all of them, or its guest came to no good end.
        """
        job = self._job(JobFolder(folder))
        units = tuple(unit for unit in job.units if unit.ran in some)
        if len(units) < len(some):
            raise InfrastructureError(f"{job.name} has not all of {named(some)}")
        try:
            record = run_job(replace(job, units=units, uncompiled=(), prefetch=False))
        except JobInterrupted as stop:
            raise stop.cause from None
        if record.error is not None:
            raise InfrastructureError(f"its guest: {record.error.what}")
        return record

    def _job(self, folder: JobFolder) -> Job:
        """The job, of a machine that boots all its guests."""
        loaded = self.builder.loaded
        machine = loaded.config.machines[self.planned.machine]
        booted = machine.model_copy(update={"saved_state": False})
        machines = {**loaded.config.machines, self.planned.machine: booted}
        config = loaded.config.model_copy(update={"machines": machines})
        builder = replace(self.builder, loaded=replace(loaded, config=config))
        preparer = Preparer(builder, lambda *_: self.probes)
        return preparer.job(replace(self.planned, repeat=1), self.built, folder)


def unlike(one: LineCounts, other: LineCounts) -> tuple[str, ...]:
    """The lines that two guests counted otherwise, and in which test first."""
    found = []
    for line in sorted({*one, *other}):
        before, after = one.get(line, {}), other.get(line, {})
        odd = [ran for ran in {*before, *after} if before.get(ran, 0) != after.get(ran, 0)]
        if odd:
            first = min(odd)
            counts = f"{before.get(first, 0):,} and {after.get(first, 0):,}"
            found.append(f"{line} ran {counts} times in {first.unit}")
    return tuple(found)


def named(some: Iterable[Ran]) -> str:
    """Some programs, for people."""
    return ", ".join(ran.unit for ran in some)


def checked(
    guest: ColdGuest, asked: str, compared: Compared, boot: Callable[[int], Booted]
) -> ColdCheck:
    """What was found out before, or is found out now; kept where both counted the same.

    Args:
        asked: A digest of what is counted.
        boot: Has the programs run in a guest that is booted, the first or the second.
    """
    known = guest.known(asked)
    if known is not None:
        return known
    found = _compared(compared, boot)
    if found.compared and not found.unlike:
        # What is odd once may be the host's doing: that is looked at anew.
        with suppress(OSError):
            guest.keep(asked, found)
    return found


def _compared(asked: Compared, boot: Callable[[int], Booted]) -> ColdCheck:
    booted = boot(1)
    unsteady: tuple[str, ...] = ()
    if unlike(asked.restored, booted.lines):
        unsteady = tuple(_odd(booted.lines, boot(2).lines))
    restored, lines = (_without(each, unsteady) for each in (asked.restored, booted.lines))
    did = {line for side in (restored, lines) for line, tests in side.items() if tests}
    odd = unlike(restored, lines)
    return ColdCheck(named(asked.some), len(did), odd, booted.outside, asked.of, unsteady)


def _odd(one: LineCounts, other: LineCounts) -> Iterator[str]:
    return (line for line in sorted({*one, *other}) if one.get(line, {}) != other.get(line, {}))


def _without(lines: LineCounts, some: Collection[str]) -> LineCounts:
    return {line: tests for line, tests in lines.items() if line not in some}
