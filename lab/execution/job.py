# SPDX-License-Identifier: GPL-2.0-only
"""One build on one machine: filesystems times suites, and all that is needed to run them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from lab.analysis.expectation import expected
from lab.complaints.benign import Benign
from lab.config.model import Expectation, Fresh
from lab.errors import LabError
from lab.execution.unit import Unit
from lab.filesystems.filesystem import Filesystem
from lab.guest.guest import GuestSpec
from lab.model.job_name import Around, job_name
from lab.model.records import Evidence
from lab.model.status import Status
from lab.model.version import KernelVersion


@dataclass(frozen=True)
class Job:
    """All that a job needs besides the cache; picklable.

    ``guest.folder`` is the job's folder: consoles, KTAP and logs go there.  ``prefetch``
    lets the next guest start while one works: there is memory for both.  ``uncompiled`` are
    programs that cannot run, and why: they do not compile.  ``max_fail`` is after how many
    results that are not as expected nothing more runs; 0 is never.  All units run ``repeat``
    times, each time in guests of their own.  ``counts`` says that its guests count instructions
    (lab.coverage).  Jobs with the same ``beside`` are compared: on one host, if that can be.  The
    worker ``near`` made its build, and has it: there, if it is free.
    """

    variant: str
    machine: str
    config: str
    release: str
    guest: GuestSpec
    units: tuple[Unit, ...]
    pattern: str | None
    program_s: float
    expect: tuple[Expectation, ...]
    evidence: Evidence
    fresh: Fresh = Fresh.JOB
    benign: tuple[Benign, ...] = ()
    settle_s: float = 0.0
    prefetch: bool = False
    uncompiled: tuple[tuple[Unit, LabError], ...] = ()
    stall_s: float = 10.0
    max_fail: int = 0
    repeat: int = 1
    counts: bool = False
    beside: str = ""
    near: str = ""

    @property
    def name(self) -> str:
        """What it is called for a reader."""
        return job_name(self.variant, self.machine, self.config)

    @property
    def filesystems(self) -> tuple[Filesystem, ...]:
        """All that it has units on, those that cannot run among them."""
        units = (*self.units, *(unit for unit, _ in self.uncompiled))
        return tuple(dict.fromkeys(unit.filesystem for unit in units))

    def stretched(self, factor: float) -> Job:
        """The same job with deadlines for a host that is ``factor`` times as busy."""
        if factor == 1:
            return self
        return replace(
            self,
            guest=self.guest.stretched(factor),
            units=tuple(unit.stretched(factor) for unit in self.units),
            program_s=self.program_s * factor,
            stall_s=self.stall_s * factor,
        )

    def guests(self) -> Iterator[GuestSpec]:
        """What its guests are made from, one after the other, without an end.

        The first leaves its traces in the job's folder, the others below it.
        """
        yield self.guest
        for number in count(2):
            yield self.guest.in_folder(self.guest.folder / f"guest-{number}")

    def expected(self, filesystem: str, suite: str, test: str) -> tuple[Status, str]:
        """The status that one of its tests should have, and why."""
        return expected(
            self.expect,
            variant=self.variant,
            around=Around(self.machine, self.config),
            version=KernelVersion.of_release(self.release),
            filesystem=filesystem,
            suite=suite,
            test=test,
        )
