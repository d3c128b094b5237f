# SPDX-License-Identifier: GPL-2.0-only
"""A fix against older kernels: which have the bug, which have the fix, and what it does there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab import doctor
from lab.analysis.series_verdict import (
    KernelVerdict,
    Verification,
    expected_outcome,
    judge_pair,
    lost,
)
from lab.analysis.stable_verdict import (
    Bug,
    Carried,
    StableKernel,
    StableVerdict,
    fixed_by,
    judge_stable,
)
from lab.analysis.verdict import Place as TestPlace
from lab.analysis.verdict import TestVerdict, alone, compare
from lab.builder import Builder
from lab.builder.placing import Place
from lab.errors import InfrastructureError, LabError
from lab.model.records import JobRecord, RunRecord
from lab.model.status import Outcome
from lab.model.variant import Variant
from lab.patches.beneath import doubt_of
from lab.patches.standing import Standing, paths_of
from lab.plan import Plan, SeriesPlan

_GOES = frozenset({Standing.CLEAN, Standing.APPLIES, Standing.MOVED})


@dataclass(frozen=True)
class StableReport:
    """A series on each kernel that was asked about.

    ``parent`` is the kernel that it was made for, where that is known, and what it did there:
    to its tests, ``parent_tests``.
    """

    series: str
    kernels: tuple[StableKernel, ...]
    parent: tuple[str, Outcome, str] | None = None
    run: RunRecord | None = None
    parent_tests: tuple[TestVerdict, ...] = ()


@dataclass(frozen=True)
class StablePlan:
    """``series`` over ``places``, the kernels asked about, and over its ``parent``, if any."""

    plan: SeriesPlan
    places: Mapping[Variant, Place]
    parent: Variant | None = None
    builder: Builder = field(repr=False, kw_only=True)

    def jobs(self) -> Plan:
        """What there is to test: with the series only where it goes onto the kernel."""
        return self.plan.keeping(set(self._variants()))

    def _variants(self) -> Iterator[Variant]:
        if self.parent is not None:
            yield from (self.parent, self.plan.patched(self.parent))
        for kernel, place in self.places.items():
            if place.stand is None:
                continue
            yield kernel
            if place.stand.standing in _GOES:
                yield self.plan.patched(kernel)


def verify_stable(asked: StablePlan, test: Callable[[Plan], RunRecord]) -> StableReport:
    """Test what there is to test, and judge it.

    Args:
        test: Runs a plan and records it.

    Raises:
        UserError: The series itself cannot be read.
        InfrastructureError: What ``lab test`` needs is not installed.
    """
    doctor.require("test")
    chosen = asked.jobs()
    return report_on(asked, test(chosen) if chosen.jobs else None)


def report_on(asked: StablePlan, run: RunRecord | None) -> StableReport:
    """The verdicts on a run's records; nothing is started."""
    judging = _Judging(asked, run.by_variant() if run else {})
    parent = judging.parent()
    bug = judging.bug(parent)
    kernels = tuple(judging.kernel(name, place, bug) for name, place in asked.places.items())
    told = None if asked.parent is None or parent is None else (str(asked.parent), *parent[:2])
    return StableReport(asked.plan.series, kernels, told, run, parent[2] if parent else ())


#: What an answer to the one question is to the other: what the series did on that kernel.
_OUTCOMES = {
    StableVerdict.NEEDS_BACKPORT: Outcome.FIXED,
    StableVerdict.THERE: Outcome.UPSTREAM,
    StableVerdict.NOT_AFFECTED: Outcome.NO_CHANGE,
    StableVerdict.DOES_NOT_APPLY: Outcome.DOES_NOT_APPLY,
    StableVerdict.NO_CHANGE: Outcome.NO_CHANGE,
    StableVerdict.REGRESSED: Outcome.REGRESSED,
    StableVerdict.INCONCLUSIVE: Outcome.INCONCLUSIVE,
}


def as_verification(asked: StablePlan, report: StableReport) -> Verification:
    """The same as ``lab verify`` keeps it: what the series did on its parent and each kernel.

    What was not laid over a kernel did nothing there: such a verdict is never ``no change``.
    """
    loaded = asked.builder.loaded
    section = loaded.config.series[report.series]
    kernels = [_as_verdict(kernel, asked.places) for kernel in report.kernels]
    if report.parent is not None:
        kernels.insert(0, KernelVerdict(*report.parent, tests=report.parent_tests))
    verdicts = loaded.config.verdict
    expected = [expected_outcome(verdicts, report.series, each.kernel) for each in kernels]
    return Verification(
        report.series,
        section.description,
        tuple(
            replace(each, expected=outcome, reason=reason)
            for each, (outcome, reason) in zip(kernels, expected, strict=True)
        ),
        report.run,
        _doubt(asked),
    )


def _as_verdict(kernel: StableKernel, places: Mapping[Variant, Place]) -> KernelVerdict:
    place = places[Variant(kernel.kernel)]
    outcome = _OUTCOMES[kernel.verdict]
    if outcome is Outcome.NO_CHANGE and not _goes(place):
        is_in = place.stand is not None and place.stand.standing is Standing.IN
        outcome = Outcome.UPSTREAM if is_in else Outcome.DOES_NOT_APPLY
    why = f"{kernel.verdict}: {kernel.why}"
    commit = place.stand.commit if place.stand else ""
    return KernelVerdict(
        kernel.kernel, outcome, why, commit=commit, ours=kernel.ours, tests=kernel.tests
    )


#: What a series came to on the kernel that it was made for, and the tests.
_Parent = tuple[Outcome, str, tuple[TestVerdict, ...]]


@dataclass(frozen=True)
class _Judging:
    asked: StablePlan
    jobs: Mapping[Variant, JobRecord]

    @property
    def about(self) -> tuple[str, ...]:
        """Globs of the tests that the series is about."""
        return self.asked.builder.loaded.config.series[self.asked.plan.series].tests

    def parent(self) -> _Parent | None:
        """The series on its own parent."""
        if self.asked.parent is None:
            return None
        tests, wanting = self._tests(self.asked.parent, patched=True)
        if wanting:
            return Outcome.INCONCLUSIVE, wanting, ()
        return (*judge_pair(tests, self.about), tests)

    def bug(self, parent: _Parent | None) -> Bug:
        """The tests that show the bug: of the parent, or of all kernels where there is none."""
        if parent is not None:
            where, sides = f"its parent {self.asked.parent}", [parent[2]]
            if parent[0] is not Outcome.FIXED:
                said = f"on {where} it is {parent[0]}: {parent[1]}"
                return Bug(missing=f"{said}; {self._missing()}")
        else:
            goes = [kernel for kernel, place in self.asked.places.items() if _goes(place)]
            where, sides = "another kernel", [self._tests(each, patched=True)[0] for each in goes]
        tests = frozenset(key for side in sides for key in fixed_by(side, self.about))
        return Bug(tests, where, f"no test fails without it anywhere; {self._missing()}")

    def _missing(self) -> str:
        series = self.asked.builder.series(self.asked.plan.series)
        files = ", ".join(paths_of(series.patches)[:3])
        ran = ", ".join(dict.fromkeys(s for job in self.asked.plan.plan.jobs for s in job.suites))
        return f"missing is a test that fails without what it does to {files} ({ran} ran)"

    def kernel(self, kernel: Variant, place: Place, bug: Bug) -> StableKernel:
        """The verdict on one of the kernels."""
        name = str(kernel)
        if place.stand is None:
            error = place.error or InfrastructureError("its tree is not here")
            ours = isinstance(error, InfrastructureError)
            return StableKernel(name, StableVerdict.INCONCLUSIVE, _line(error), ours)
        goes = _goes(place)
        tests, wanting = self._tests(kernel, patched=goes)
        if wanting:
            return StableKernel(name, StableVerdict.INCONCLUSIVE, wanting, ours=True)
        is_in = place.stand.standing is Standing.IN
        said = place.stand.detail if is_in else str(place.stand)
        found = judge_stable(name, Carried(goes, is_in, said), tests, bug, self.about)
        return self._doubted(found)

    def _doubted(self, found: StableKernel) -> StableKernel:
        """What nobody knows to be the author's fixes nothing of his."""
        if found.verdict is not StableVerdict.NEEDS_BACKPORT or not (doubt := _doubt(self.asked)):
            return found
        return replace(found, verdict=StableVerdict.INCONCLUSIVE, why=doubt)

    def _tests(self, kernel: Variant, *, patched: bool) -> tuple[tuple[TestVerdict, ...], str]:
        """The tests of a kernel, or why there are none."""
        base = self.jobs.get(kernel)
        other = self.jobs.get(self.asked.plan.patched(kernel)) if patched else None
        wanting = lost(base, "base") or (lost(other, "patched") if patched else "")
        if wanting or base is None:
            return (), wanting
        places = self._places(kernel)
        if other is None:
            return alone(base, places), ""
        digest = self.asked.builder.series(self.asked.plan.series).digest
        return compare(base, other, (self.asked.plan.series, digest), places), ""

    def _places(self, kernel: Variant) -> Sequence[TestPlace]:
        """Where there must be results; a pattern may leave a program without tests."""
        return tuple(
            place
            for job in self.asked.plan.plan.jobs
            if job.variant == kernel and job.pattern is None
            for place in job.places
        )


def _doubt(asked: StablePlan) -> str:
    return doubt_of(asked.builder.series(asked.plan.series).path.parent)


def _goes(place: Place) -> bool:
    return place.stand is not None and place.stand.standing in _GOES


def _line(error: LabError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
