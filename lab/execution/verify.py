# SPDX-License-Identifier: GPL-2.0-only
"""A series verified: base against patched on each kernel, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from lab import doctor
from lab.analysis.series_verdict import (
    KernelVerdict,
    Verification,
    expected_outcome,
    is_ours,
    judge_pair,
    judge_upstream,
    lost,
    with_lines,
)
from lab.analysis.verdict import Place, alone, compare
from lab.builder import Builder
from lab.coverage.rewritten import rewritten
from lab.errors import InfrastructureError, LabError
from lab.execution.file_pairs import ASSEMBLER, changed_files
from lab.execution.same_kernel import ran_the_same, recorded_difference
from lab.model.job_name import Around
from lab.model.records import JobRecord, RunRecord
from lab.model.status import Outcome
from lab.model.unrun import SAME
from lab.model.variant import Variant
from lab.patches import Fit, Series, SeriesFit
from lab.patches.beneath import doubt_of
from lab.plan import Plan, SeriesPlan
from lab.report import verification_to_json
from lab.report.coverage import keep_coverage
from lab.results import RunFolder, write_json
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.execution.line_counting import LineCounting

#: How a series goes onto a kernel, or why nobody can say.
Fits = Mapping[Variant, SeriesFit | LabError]


def verify(
    builder: Builder,
    plan: SeriesPlan,
    test: Callable[[Plan], RunRecord],
    counting: LineCounting | None = None,
) -> Verification:
    """Try the series on each kernel, test what there is to test, and judge it.

    A kernel that cannot be fetched is inconclusive, and the others go on.  Where the
    series does not apply nothing is tested; where it is not needed any more, the
    kernel alone is.

    Args:
        test: Runs a plan and records it.
        counting: What counted its lines meanwhile.

    Raises:
        UserError: The series itself cannot be read.
        InfrastructureError: What ``lab test`` needs is not installed.
    """
    doctor.require("test")
    builder.series(plan.series)
    fits = {kernel: _fit(builder, plan, kernel) for kernel in plan.kernels}
    chosen = plan.keeping(set(_tested(plan, fits)))
    run = test(chosen) if chosen.jobs else None
    verification = verification_of(builder, plan, fits, run)
    apart = (_told_apart(each, builder, plan) for each in verification.kernels)
    verification = replace(verification, kernels=tuple(apart))
    if run is not None and counting is not None:
        kernels = [_with_lines(each, counting, run, builder) for each in verification.kernels]
        verification = replace(verification, kernels=tuple(kernels))
        kept = (each.lines for each in kernels if each.lines is not None)
        keep_coverage(RunFolder(builder.loaded.results, run.id), kept)
    if run is not None:
        folder = RunFolder(builder.loaded.results, run.id)
        write_json(folder.verdicts, verification_to_json(verification))
    return verification


def _told_apart(verdict: KernelVerdict, builder: Builder, plan: SeriesPlan) -> KernelVerdict:
    """A verdict that says what is another in the kernel though its own source is as it was."""
    if verdict.binary is None or verdict.binary.same:
        return verdict
    kernel = Variant(verdict.kernel)
    fragments = tuple(builder.loaded.config.machines[verdict.machine].fragments)
    try:
        jobs = [
            builder.build_job(each, verdict.config, fragments)
            for each in (kernel, plan.patched(kernel))
        ]
    except Exception as error:
        builder.listener.say(f"{kernel}: what was only inlined is not told: {as_lab_error(error)}")
        return verdict
    words = {
        word
        for each in changed_files(*jobs)
        for word in rewritten(each.base, each.patched, assembled=each.name.endswith(ASSEMBLER))
    }
    return replace(verdict, binary=verdict.binary.told_apart(words))


def _with_lines(
    verdict: KernelVerdict, counting: LineCounting, run: RunRecord, builder: Builder
) -> KernelVerdict:
    """A verdict with what ran of the series: what never did has mended nothing."""
    around = Around(verdict.machine, verdict.config)
    kernel = Variant(verdict.kernel)
    if not verdict.tests or kernel not in counting.pairs:
        return verdict
    return with_lines(verdict, counting.of(kernel, around, run, builder.loaded.results))


def _fit(builder: Builder, plan: SeriesPlan, kernel: Variant) -> SeriesFit | LabError:
    try:
        fit = builder.fit(kernel, plan.series)
    except Exception as raised:
        error = as_lab_error(raised)
        builder.listener.say(f"{kernel}: {error.what}")
        return error
    for patch in fit.patches:
        builder.listener.say(f"{kernel}: {patch.patch or plan.series}: {patch.fit}")
    return fit


def _tested(plan: SeriesPlan, fits: Fits) -> Iterator[Variant]:
    for kernel, fit in fits.items():
        if isinstance(fit, SeriesFit) and fit.applies:
            yield from (kernel, plan.patched(kernel))
        elif isinstance(fit, SeriesFit) and fit.upstream is not None:
            yield kernel


def verification_of(
    builder: Builder, plan: SeriesPlan, fits: Fits, run: RunRecord | None
) -> Verification:
    """The verdicts on a run's records; nothing is started."""
    config = builder.loaded.config
    section = config.series[plan.series]
    jobs = {job.names: job for job in run.jobs} if run else {}
    series = builder.series(plan.series)
    kernels = []
    for (kernel, fit), around in product(fits.items(), plan.arounds):
        question = _Question(plan, kernel, around, jobs, series, section.tests, builder.cache)
        verdict = question.answer(fit)
        expected, reason = expected_outcome(config.verdict, plan.series, str(kernel))
        kernels.append(replace(verdict, expected=expected, reason=reason))
    doubt = doubt_of(series.path.parent)
    return Verification(plan.series, section.description, tuple(kernels), run, doubt)


@dataclass(frozen=True)
class _Question:
    """What a series does on one kernel, with one config on one machine."""

    plan: SeriesPlan
    kernel: Variant
    around: Around
    jobs: Mapping[tuple[str, str, str], JobRecord]
    series: Series
    about: tuple[str, ...]
    cache: Path

    def answer(self, fit: SeriesFit | LabError) -> KernelVerdict:
        if isinstance(fit, LabError):
            ours = isinstance(fit, InfrastructureError)
            lost = KernelVerdict(str(self.kernel), Outcome.INCONCLUSIVE, _line(fit), ours=ours)
            return lost.of(self.around)
        patches = tuple((patch.patch, str(patch)) for patch in fit.patches)
        return replace(self._judged(fit), patches=patches).of(self.around)

    def _job(self, variant: Variant) -> JobRecord | None:
        """That of this config and machine: another's says nothing here."""
        return self.jobs.get((variant, *self.around))

    @property
    def _touched(self) -> Iterator[str]:
        """The files of the series, on whatever kernel."""
        return (path for patch in self.series.patches for path in patch.touched)

    def _judged(self, fit: SeriesFit) -> KernelVerdict:
        name = str(self.kernel)
        if fit.applies:
            return self._pair()
        if fit.upstream is not None:
            return replace(self._base(), commit=fit.upstream.commit)
        if fit.applied:
            return KernelVerdict(name, Outcome.NO_CHANGE, "the tree has every patch already")
        misfit = fit.first_misfit
        assert misfit is not None
        said = misfit.detail if misfit.fit is Fit.REFUSED else str(misfit)
        why = f"{misfit.patch}: {said}" if misfit.patch else said
        return KernelVerdict(name, Outcome.DOES_NOT_APPLY, why)

    def _pair(self) -> KernelVerdict:
        name = str(self.kernel)
        base = self._job(self.kernel)
        patched = self._job(self.plan.patched(self.kernel))
        wanting = lost(base, "base") or lost(patched, "patched")
        if wanting or base is None or patched is None:
            return KernelVerdict(name, Outcome.INCONCLUSIVE, wanting, ours=True)
        binary = recorded_difference(self.cache, base, patched)
        if binary is not None and binary.same and ran_the_same(base, patched, self._touched):
            # What its tests say differently is their own unsteadiness.
            return KernelVerdict(name, Outcome.NO_CHANGE, SAME.why, binary=binary)
        series = (self.plan.series, self.series.digest)
        tests = compare(base, patched, series, self._asked())
        outcome, why = judge_pair(tests, self.about)
        why = "; ".join(filter(None, (why, two_hosts(base, patched))))
        return KernelVerdict(name, outcome, why, ours=is_ours(tests), tests=tests, binary=binary)

    def _base(self) -> KernelVerdict:
        name = str(self.kernel)
        base = self._job(self.kernel)
        wanting = lost(base, "base")
        if wanting or base is None:
            return KernelVerdict(name, Outcome.INCONCLUSIVE, wanting, ours=True)
        tests = alone(base, self._asked())
        outcome, why = judge_upstream(tests, self.about)
        return KernelVerdict(name, outcome, why, ours=is_ours(tests), tests=tests)

    def _asked(self) -> tuple[Place, ...]:
        """Where there must be results; a pattern may leave a program without tests."""
        return tuple(
            place
            for job in self.plan.plan.jobs
            if job.names == (self.kernel, *self.around) and job.pattern is None
            for place in job.places
        )


def two_hosts(base: JobRecord, patched: JobRecord) -> str:
    """What is to be said of a pair that did not run on one host; "" where it did."""
    hosts = [job.evidence.host for job in (base, patched)]
    return "" if hosts[0] == hosts[1] else "the two ran on {} and {}".format(*hosts)


def _line(error: LabError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
