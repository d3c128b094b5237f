# SPDX-License-Identifier: GPL-2.0-only
"""Whether guests that start from a saved state count what one counts that was booted.

QEMU translates a restored guest's code anew, and a counter that took the state for the boot, or
the other way round, would show lines as run that were not.  So a few programs of a build are run
in a booted guest, too, and what both counted of their tests has to be the same; once for a build.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
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
#: How often a line ran in each test of a program, by file and number.
LineCounts = Mapping[str, Mapping[Ran, int]]


class BothCounts(NamedTuple):
    """What the run's guests counted of some programs, and what a booted one does.

    Attributes:
        outside: The lines that ran in the booted one, and in no test.
    """

    restored: LineCounts
    booted: LineCounts
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColdCheck:
    """What a booted guest counted otherwise, a line each; nothing where it is the same.

    Attributes:
        unit: The programs that both ran.
        compared: How many lines ran in one of them at least; with none nothing was compared.
        of: How many lines ran in any test of the run.
        outside: The lines that ran in the booted guest, and in no test of it.
    """

    unit: str
    compared: int
    unlike: tuple[str, ...]
    outside: tuple[str, ...]
    of: int

    @property
    def words(self) -> str:
        """How much was compared, for people."""
        return f"{self.compared} of the {self.of} lines that ran, in {self.unit}"


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
    guest: ColdGuest, asked: str, some: Iterable[Ran], of: int, count: Callable[[], BothCounts]
) -> ColdCheck:
    """What was found out before, or is found out now; kept where both counted the same.

    Args:
        asked: A digest of what is counted.
        of: How many lines ran in any test.
        count: Has the programs run in a booted guest, too.
    """
    known = guest.known(asked)
    if known is not None:
        return known
    restored, booted, outside = count()
    compared = sum(any(side.get(line) for side in (restored, booted)) for line in restored)
    found = ColdCheck(named(some), compared, unlike(restored, booted), outside, of)
    if compared and not found.unlike:
        # What is odd once may be the host's doing: that is looked at anew.
        with suppress(OSError):
            guest.keep(asked, found)
    return found
