# SPDX-License-Identifier: GPL-2.0-only
"""Each patch of a series on those before it: what it is good for, and whether it may stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from lab.analysis.bisect_status import came_to_run
from lab.analysis.series_verdict import is_ours
from lab.analysis.verdict import TestVerdict, Verdict, compare
from lab.errors import ExitStatus
from lab.model.job_error import Fault
from lab.model.records import JobRecord
from lab.model.scale import Word, exit_of
from lab.model.status import Status

#: What a kernel that does not boot comes to.
_DEAD = frozenset({Status.CRASH, Status.TIMEOUT})
#: What is left of 80 columns for what became of the tests.
_WIDEST = 23
#: What a patch did to tests, as far as that is told.
TURNED = (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.FIXED)


class StepFault(Word):
    """What is wrong with a patch on those before it."""

    BUILD = "does not build"
    BOOT = "does not boot"
    WARNING = "adds a warning"
    TEST = "breaks a test"


@dataclass(frozen=True)
class Warnings:
    """What the compiler says of the files that a patch touches, with it and not without.

    Attributes:
        new: The warnings, each with its file and line.
        compiled: Objects that were compiled for it, on both sides.
        left_out: Touched files that are compiled nowhere: nothing is known of them.
        since: The number of the step that it is compared with.
        unknown: Why nobody can say; "" where that is known.
    """

    new: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    since: int = 0
    unknown: str = ""

    def __str__(self) -> str:
        if self.unknown:
            return "unknown"
        if self.new:
            return f"+{len(self.new)}"
        return "none" if self.compiled else "not seen"


@dataclass(frozen=True)
class Step:
    """A patch on those before it; number 0 is the kernel without any.

    Attributes:
        builds, boots: None where that is not known, or was not asked.
        ours: What is wanting the lab or the machine lost.
        why: Why it is not built or did not boot.
        since: The number of the step that its tests are compared with.
        reused: The earlier run that its results are of; "" where it was tested now.
    """

    number: int
    patch: str
    subject: str
    variant: str
    builds: bool | None = None
    boots: bool | None = None
    ours: bool = False
    why: str = ""
    since: int = 0
    warnings: Warnings | None = None
    tests: tuple[TestVerdict, ...] = ()
    reused: str = ""

    @property
    def bad(self) -> str:
        """What is wrong with it as the kernel's history goes; "" for nothing."""
        return " and ".join(self.faults)

    @property
    def faults(self) -> tuple[StepFault, ...]:
        """The same, each by itself: what does not run shows no more."""
        if self.builds is False:
            return (StepFault.BUILD,)
        if self.boots is False:
            return (StepFault.BOOT,)
        found = {
            StepFault.WARNING: self.warnings is not None and bool(self.warnings.new),
            StepFault.TEST: any(test.verdict is Verdict.REGRESSED for test in self.tests),
        }
        return tuple(fault for fault, is_so in found.items() if is_so)

    @property
    def unclear(self) -> str:
        """What of it nobody can say; "" where all is known, or it is bad before that."""
        if self.builds is False or self.boots is False:
            return ""
        if self.builds is None or (self.builds and self.boots is None):
            return self.why or "nobody knows"
        if self.warnings is not None and self.warnings.unknown:
            return self.warnings.unknown
        if self.number and not self.tests:
            return self.why or "no test ran"
        found = [test for test in self.tests if test.verdict is Verdict.INCONCLUSIVE]
        return f"{len(found)} tests say nothing: {found[0].why}" if found else ""

    @property
    def turned(self) -> str:
        """What it did to the tests, in a few words."""
        count = Counter(test.verdict for test in self.tests)
        words = [f"{count[verdict]} {verdict}" for verdict in TURNED if count[verdict]]
        if len(", ".join(words)) > _WIDEST:
            words = [words[0], "…"]
        return ", ".join(words) or ("no change" if self.tests else "-")


@dataclass(frozen=True)
class KernelSteps:
    """All patches of a series on one kernel."""

    kernel: str
    steps: tuple[Step, ...]

    @property
    def status(self) -> ExitStatus:
        """UNEXPECTED where a step is bad, or nobody can say for another reason than ours."""
        wanting = (step for step in self.steps if step.bad or step.unclear)
        return exit_of(
            not step.bad and (step.ours or (bool(step.tests) and is_ours(step.tests)))
            for step in wanting
        )


def step_of(step: Step, job: JobRecord | None) -> Step:
    """The step, with what a job's record says of its build and its boot."""
    if job is None:
        return replace(step, ours=True, why="there is no record of it")
    why = job.error.line if job.error is not None else ""
    if not job.evidence.build_key:
        users = job.fault is Fault.USER
        return replace(step, builds=False if users else None, ours=not users, why=why)
    if came_to_run(job):
        return replace(step, builds=True, boots=True, ours=bool(why), why=why)
    said = why or next((result.message for result in job.results), "no guest of it came to run")
    if job.fault is None and any(result.status in _DEAD for result in job.results):
        return replace(step, builds=True, boots=False, why=said)
    # What QEMU, the lab or a program that does not compile lost says nothing of the kernel.
    users = job.users_fault or any(result.users_fault for result in job.results)
    return replace(step, builds=True, ours=not users, why=said)


def turned(
    before: JobRecord, after: JobRecord, beneath: tuple[tuple[str, str], ...], series: str
) -> tuple[TestVerdict, ...]:
    """What the patches between two steps did, test by test, as of a series on a base.

    Args:
        beneath: (series, digest) pairs of what is beneath both.
        series: What is verified, whose first patches each of the two has.
    """
    sides = [_patches_of(job, beneath, series) for job in (before, after)]
    if sides[0] is None or sides[1] is None or len(sides[1]) != 1:
        return compare(before, after, (series, "?"))
    evidence = replace(before.evidence, series_digests=beneath)
    own = sides[1][0]
    return compare(replace(before, evidence=evidence), after, own)


def _patches_of(
    job: JobRecord, beneath: tuple[tuple[str, str], ...], series: str
) -> tuple[tuple[str, str], ...] | None:
    """What a step has of the series on what is beneath it; None if there is anything else."""
    digests = job.evidence.series_digests
    own = digests[len(beneath) :]
    is_so = digests[: len(beneath)] == beneath and len(own) <= 1
    return own if is_so and all(name.partition("@")[0] == series for name, _ in own) else None
