# SPDX-License-Identifier: GPL-2.0-only
"""One build on one machine: filesystems times suites, in one guest."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.config.model import Expectation, Status
from lab.errors import InfrastructureError, LabError
from lab.guest import BootTimeout, CommandTimeout, Guest, GuestDied, GuestSpec
from lab.plan import expected
from lab.results import Evidence, JobRecord, TestResult
from lab.suites.filesystem import Recipe, prepare_namespace, set_up
from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import parse


@dataclass(frozen=True)
class Unit:
    """One program of one suite on one filesystem: what a dead guest costs at most."""

    recipe: Recipe
    suite: str
    program: str


@dataclass(frozen=True)
class Job:
    """All that a job needs besides the cache; picklable.

    ``guest.folder`` is the job's folder: consoles, KTAP and logs go there.
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


@dataclass
class _Outcome:
    """What a job has found so far."""

    job: Job
    on_result: Callable[[TestResult], None]
    results: list[TestResult] = field(default_factory=list)
    dax: dict[str, Mapping[str, str]] = field(default_factory=dict)
    timeline: tuple[tuple[str, float], ...] = ()
    command: tuple[str, ...] = ()

    def add(self, unit: Unit, judged: Judged, duration_s: float) -> None:
        status, reason = expected(
            self.job.expect,
            variant=self.job.variant,
            filesystem=unit.recipe.name,
            suite=unit.suite,
            test=judged.test,
        )
        result = TestResult(
            variant=self.job.variant,
            kernel_release=self.job.release,
            filesystem=unit.recipe.name,
            suite=unit.suite,
            test=judged.test,
            status=judged.status,
            expected=status,
            duration_s=round(duration_s, 3),
            message=judged.message,
            diagnostics=judged.diagnostics,
            metrics=judged.metrics,
            reason=reason,
        )
        self.results.append(result)
        self.on_result(result)

    def add_trouble(self, units: Sequence[Unit], status: Status, message: str) -> None:
        """The same trouble for programs that could not run."""
        for unit in units:
            self.add(unit, Judged(unit.program, status, message, (), ()), 0.0)


def run_job(job: Job, on_result: Callable[[TestResult], None] = lambda _: None) -> JobRecord:
    """Boot, test, collect; whatever the guest does, a record comes back.

    A guest that dies costs the program that ran: the others go on in a fresh one.
    """
    outcome = _Outcome(job, on_result)
    started = datetime.now(UTC)
    clock = time.monotonic()
    pending = list(job.units)
    boots = 0
    while pending:
        boots += 1
        pending = _one_guest(outcome, pending, boots)
    return JobRecord(
        variant=job.variant,
        kernel_release=job.release,
        machine=job.machine,
        config=job.config,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - clock, 3),
        evidence=_evidence(outcome),
        results=tuple(outcome.results),
        error=None,
    )


def _one_guest(outcome: _Outcome, pending: list[Unit], number: int) -> list[Unit]:
    """Run what one guest survives; returns what is left for the next."""
    spec = _numbered(outcome.job.guest, number)
    left = list(pending)
    try:
        with Guest(spec) as guest:
            outcome.command = outcome.command or tuple(guest.command)
            outcome.timeline = outcome.timeline or tuple(guest.timeline.marks)
            try:
                for unit in _runnable(outcome, guest, left):
                    left.remove(unit)
                    _run_unit(outcome, guest, unit)
            finally:
                _keep_kernel_log(guest)
    except LabError as error:
        # It died outside a program: nothing is known about what is left, and the
        # one whose turn it was must not be tried for ever.
        lost = left if left == pending else left[:1]
        outcome.add_trouble(lost, _status_of(error), _explain(error))
        left = [unit for unit in left if unit not in lost]
    return left


def _runnable(outcome: _Outcome, guest: Guest, left: list[Unit]) -> Iterator[Unit]:
    """The units whose filesystem is mounted and proved, one filesystem after the other."""
    mode = prepare_namespace(guest)
    for recipe in dict.fromkeys(unit.recipe for unit in left):
        units = [unit for unit in left if unit.recipe == recipe]
        try:
            proof = {**set_up(guest, recipe), "namespace": mode}
        except InfrastructureError as error:
            if isinstance(error, GuestDied):
                raise
            for unit in units:
                left.remove(unit)
            outcome.add_trouble(units, Status.ERROR, _explain(error))
            continue
        outcome.dax.setdefault(recipe.name, proof)
        for unit in units:
            if not guest.alive():
                return
            yield unit


def _run_unit(outcome: _Outcome, guest: Guest, unit: Unit) -> None:
    job = outcome.job
    command = [f"/lab/{unit.program}", unit.recipe.mount_point]
    if job.pattern:
        command += ["-k", job.pattern]
    started = time.monotonic()
    status: int | None = None
    message = ""
    try:
        done = guest.run(shlex.join(command), job.program_s)
        output, status, ended = done.stdout, done.status, Ended.EXITED
        message = done.stderr.strip()
    except CommandTimeout as error:
        output, ended, message = error.stdout, Ended.TIMEOUT, error.what
        guest.run(f"pkill -KILL -x {unit.program}; true")
    except GuestDied as error:
        # Without an exit status and without a dead kernel it is an error of ours.
        ended = Ended.GUEST_DIED if error.kernel else Ended.EXITED
        output, message = error.stdout, error.what
    duration = time.monotonic() - started
    _keep(job, unit, output)
    judged = judge(
        unit.program,
        parse(output.encode()),
        status,
        ended=ended,
        detail=message,
        selected=job.pattern is not None,
    )
    for test in judged:
        outcome.add(unit, test, duration / max(1, len(judged)))


def _keep(job: Job, unit: Unit, output: str) -> None:
    path = job.guest.folder / unit.recipe.name / f"{unit.suite}.{unit.program}.ktap"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output)


def _keep_kernel_log(guest: Guest) -> None:
    if guest.alive():
        try:
            log = guest.run("dmesg").stdout
        except LabError:
            return
        (guest.spec.folder / "kernel.log").write_text(log)


def _numbered(spec: GuestSpec, number: int) -> GuestSpec:
    """The first guest leaves its traces in the job's folder, the others beside it."""
    from dataclasses import replace

    return spec if number == 1 else replace(spec, folder=spec.folder / f"guest-{number}")


def _status_of(error: LabError) -> Status:
    """Whose fault a lost guest is: the kernel's until shown otherwise."""
    if isinstance(error, GuestDied):
        return Status.CRASH if error.kernel else Status.ERROR
    return Status.TIMEOUT if isinstance(error, BootTimeout) else Status.ERROR


def _explain(error: LabError) -> str:
    where = f" ({error.where})" if error.where else ""
    return f"{error.what}{where}"


def _evidence(outcome: _Outcome) -> Evidence:
    from dataclasses import replace

    return replace(
        outcome.job.evidence,
        cmdline=shlex.join(outcome.command),
        dax=tuple((name, tuple(proof.items())) for name, proof in outcome.dax.items()),
        timeline=outcome.timeline,
    )
