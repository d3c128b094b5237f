# SPDX-License-Identifier: GPL-2.0-only
"""Each patch of a series built, booted and tested on those before it, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.analysis.step_verdict import KernelSteps, Step, Warnings, step_of, turned
from lab.build.warnings import Compiled, compile_anew
from lab.builder import Builder
from lab.errors import LabError
from lab.execution.resume import unfinished
from lab.execution.reuse import Reused, known_results, told
from lab.model.records import JobRecord, RunRecord
from lab.model.variant import Variant
from lab.patches.patch import Patch
from lab.patches.series import first_patches
from lab.plan import BuildRequest, Plan
from lab.unforeseen import as_lab_error


@dataclass(frozen=True)
class Stairs:
    """A kernel, and the variants that are one patch of a series more each.

    Attributes:
        patches: Those of the series that are meant for this kernel.
        variants: One more than patches: the kernel itself comes first.
    """

    kernel: Variant
    series: str
    patches: tuple[Patch, ...]
    variants: tuple[Variant, ...]

    def steps(self) -> Iterator[Step]:
        """All of them, of which nothing is known yet."""
        yield Step(0, "", "", str(self.kernel))
        for number, patch in enumerate(self.patches, 1):
            yield Step(number, patch.name, patch.subject or "", str(self.variants[number]))

    def touched(self, number: int) -> tuple[str, ...]:
        """The files that the patch of a step touches."""
        if not 0 < number <= len(self.patches):
            return ()
        return self.patches[number - 1].touched


def stairs_of(builder: Builder, series: str, kernel: Variant) -> Stairs:
    """The patches of a series that are meant for a kernel, one by one.

    Raises:
        UserError: None is.
    """
    whole, version = builder.series(series), builder.tree(kernel.kernel).version
    meant = whole.for_version(version)
    places = [number for number, patch in enumerate(whole.patches, 1) if patch in meant]
    names = [first_patches(series, place) for place in places[:-1]]
    variants = (kernel, *(Variant(kernel, (name,)) for name in (*names, series)))
    return Stairs(kernel, series, meant, variants)


def verify_each(
    builder: Builder,
    stairs: Sequence[Stairs],
    plan: Plan,
    test: Callable[[Plan], RunRecord],
    *,
    again: bool = False,
) -> tuple[tuple[KernelSteps, ...], RunRecord | None]:
    """Test a plan of all the steps, and say what each patch did; None where nothing was to run.

    Args:
        test: Runs a plan and records it.
        again: Also what earlier runs have just the same results of.
    """
    known = {} if again else _known(builder, plan)
    left = tuple(job for job in plan.jobs if job.variant not in known)
    run = test(replace(plan, jobs=left)) if left else None
    jobs = {variant: reused.record for variant, reused in known.items()}
    jobs |= run.by_variant() if run is not None else {}
    # One machine, one config: the variants are all that differs.
    asked = plan.jobs[0].build
    whence = {variant: reused.run for variant, reused in known.items()}
    return tuple(_judged(builder, each, jobs, asked, whence) for each in stairs), run


def _known(builder: Builder, plan: Plan) -> Mapping[Variant, Reused]:
    if unfinished(builder.loaded, plan, builder.listener.say) is not None:
        # The run that was cut short goes on, and has its own.
        return {}
    found = known_results(builder, plan)
    for line in told(found):
        builder.listener.say(line)
    return found


def _judged(
    builder: Builder,
    stairs: Stairs,
    jobs: Mapping[Variant, JobRecord],
    asked: BuildRequest,
    whence: Mapping[Variant, str],
) -> KernelSteps:
    known = [step_of(step, jobs.get(stairs.variants[step.number])) for step in stairs.steps()]
    built = [step.number for step in known if step.builds]
    compiled = {
        number: _compiled(builder, stairs, number, _until(built, number), asked) for number in built
    }
    steps: list[Step] = []
    for step in known:
        found, job = step, jobs.get(stairs.variants[step.number])
        if step.number and step.builds:
            found = replace(found, warnings=_warnings(stairs, step.number, compiled))
        if step.number and step.boots and job is not None:
            found = _turned(found, steps, stairs, jobs, job)
        steps.append(replace(found, reused=whence.get(stairs.variants[step.number], "")))
    return KernelSteps(str(stairs.kernel), tuple(steps))


def _until(built: Sequence[int], number: int) -> int:
    """The step that is compared with this one: the next that is built, the last of all if none."""
    return next((other for other in built if other > number), number)


def _turned(
    step: Step,
    before: Sequence[Step],
    stairs: Stairs,
    jobs: Mapping[Variant, JobRecord],
    job: JobRecord,
) -> Step:
    """The step, with what became of the tests since the last one that ran any."""
    since = next((each for each in reversed(before) if each.boots), None)
    if since is None:
        return replace(step, why=step.why or "no step before it ran any test")
    base = jobs[stairs.variants[since.number]]
    own = len(stairs.kernel.series)
    beneath = job.evidence.series_digests[:own]
    tests = turned(base, job, beneath, stairs.series)
    return replace(step, since=since.number, tests=tests)


def _compiled(
    builder: Builder, stairs: Stairs, number: int, until: int, asked: BuildRequest
) -> Compiled | LabError:
    """What is compiled of a step: what its own patch touches, and those up to another."""
    files = [file for each in range(number, until + 1) for file in stairs.touched(each)]
    variant = stairs.variants[number]
    builder.listener.say(f"{variant}: compiling anew what its patches touch")
    try:
        return compile_anew(builder.build_job(variant, asked.config, asked.fragments), files)
    except Exception as error:
        return as_lab_error(error)


def _warnings(stairs: Stairs, number: int, compiled: Mapping[int, Compiled | LabError]) -> Warnings:
    """What is new of a step since the last before it that was built."""
    since = max((other for other in compiled if other < number), default=None)
    if since is None:
        return Warnings(unknown="nothing before it was built to compare with")
    before, after = compiled[since], compiled[number]
    for side, name in ((before, "without"), (after, "with")):
        if isinstance(side, LabError):
            return Warnings(unknown=f"it was not compiled {name} it: {side.what}")
    assert isinstance(before, Compiled)
    assert isinstance(after, Compiled)
    between = range(since + 1, number + 1)
    touched = dict.fromkeys(file for each in between for file in stairs.touched(each))
    new = tuple(str(each) for each in after.more_than(before, touched))
    left_out = tuple(file for file in touched if file not in after.seen)
    return Warnings(new, after.compiled if len(left_out) < len(touched) else (), left_out, since)
