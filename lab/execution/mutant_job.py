# SPDX-License-Identifier: GPL-2.0-only
"""A job that tries a mutant: the tests most likely to notice first, and no more than it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path

from lab.analysis.mutant_score import Reference, TestName
from lab.build import Build
from lab.config.model import Expectation, Fresh
from lab.execution.job import Job
from lab.execution.prepare import Preparer
from lab.execution.unit import Unit
from lab.model.status import Status
from lab.plan import JobPlan
from lab.results import JobFolder
from lab.suites.suite import BuiltPrograms

#: Tests that run by themselves, before all others: each program of those that changed has one.
_FIRST = 6
#: How many times longer than with the patch a test may take, and the least that it has, in seconds.
_SLOWER, _LEAST_S = 10.0, 15.0


@dataclass(frozen=True)
class MutantJobs:
    """Makes the jobs of a kernel's mutants, all of which differ in their kernel alone.

    Attributes:
        preparer: Of a config whose guests are booted, and have all filesystems one after the other:
            each kernel has but one guest.
        programs: What goes into each guest.
        load: How many times slower a guest is than alone, at most.
        first: The tests to begin with, those likeliest to notice first.
    """

    preparer: Preparer
    planned: JobPlan
    programs: BuiltPrograms
    template: Job
    load: float
    first: tuple[TestName, ...] = ()

    @staticmethod
    def of(
        preparer: Preparer,
        planned: JobPlan,
        patched: Build,
        folder: JobFolder,
        load: float,
        first: Sequence[TestName],
    ) -> MutantJobs:
        """Of the patched kernel's job."""
        programs = preparer.programs(planned.suites, patched)
        template = replace(preparer.job(planned, patched, folder), fresh=Fresh.JOB)
        return MutantJobs(preparer, planned, programs, template, load, tuple(first))

    def control(self) -> Job:
        """The patched kernel's own, to its end."""
        units = tuple(in_order(self.template.units, self.first, self.template.pattern))
        return replace(self.template, units=units).stretched(self.load)

    def mutant(
        self,
        built: Build,
        folder: Path,
        reference: Reference,
        without: Collection[TestName],
        first: Sequence[TestName],
        only: TestName | None = None,
    ) -> Job:
        """A mutant's, which ends with the first result that is not the patched kernel's.

        Args:
            without: Tests that say nothing: their programs do not run.
            first: Those likeliest to notice.
            only: A test whose program alone runs.
        """
        guest = self.preparer.guest_spec(built, self.planned.machine, folder, self.programs)
        slower = self.preparer.builder.loaded.config.configs[self.planned.config].slower
        control = self.control()
        units = (
            within(unit, reference, control.program_s)
            for unit in in_order(self.template.units, first, self.template.pattern)
            if not any(_is_of(name, unit) for name in without)
            and (only is None or _is_of(only, unit))
        )
        return replace(
            control,
            guest=guest.stretched(slower * self.load),
            units=tuple(units),
            expect=(*control.expect, *expectations(control, reference)),
            max_fail=1,
        )


def in_order(
    units: Sequence[Unit], first: Sequence[TestName], pattern: str | None
) -> Iterator[Unit]:
    """The units, those with tests that may notice first; some of these tests before all.

    Filesystems keep their order, and each has its turn once: to make one takes longer than a test.
    """
    likely = Counter(name[:3] for name in first)
    filesystems = list(dict.fromkeys(unit.filesystem for unit in units))
    filesystems.sort(key=lambda one: not any(name[0] == one.name for name in first))
    for filesystem in filesystems:
        own = [unit for unit in units if unit.filesystem == filesystem]
        if filesystem is filesystems[0]:
            yield from _singles(own, first, pattern)
        yield from sorted(own, key=lambda unit: -likely[_place(unit)])


def _singles(
    units: Sequence[Unit], first: Sequence[TestName], pattern: str | None
) -> Iterator[Unit]:
    """One test of each program that has any, as far as programs run their tests one by one."""
    by_place = {_place(unit): unit for unit in units if unit.test is None}
    tests: dict[tuple[str, str, str], str] = {}
    for name in first:
        if name[:3] in by_place:
            tests.setdefault(name[:3], name[3])
    for place, test in list(tests.items())[:_FIRST]:
        if by_place[place].listing(pattern) is not None:
            yield replace(by_place[place], test=test)


def _place(unit: Unit) -> tuple[str, str, str]:
    return unit.filesystem.name, unit.suite, unit.program


def _is_of(name: TestName, unit: Unit) -> bool:
    return name[:3] == _place(unit) and unit.test in (None, name[3])


def within(unit: Unit, reference: Reference, program_s: float) -> Unit:
    """The unit with a deadline by what the patched kernel took: who hangs must not cost minutes."""
    took = sum(s for name, s in reference.durations.items() if _is_of(name, unit))
    most = unit.deadline(program_s)[0]
    return replace(unit, timeout_s=min(most, max(_LEAST_S, _SLOWER * took)))


def expectations(job: Job, reference: Reference) -> Iterator[Expectation]:
    """What the patched kernel's tests come to, where that is not what is expected anyway."""
    for (filesystem, suite, _, test), statuses in _steady(reference.statuses).items():
        if job.expected(filesystem, suite, test)[0] is not statuses:
            yield Expectation(
                filesystems=(escape(filesystem),),
                suites=(escape(suite),),
                tests=(escape(test),),
                status=statuses,
                reason="as with the patch as it is",
            )


def _steady(statuses: Mapping[TestName, frozenset[Status]]) -> dict[TestName, Status]:
    return {
        name: next(iter(some))
        for name, some in statuses.items()
        if len(some) == 1 and Status.ERROR not in some
    }
