# SPDX-License-Identifier: GPL-2.0-only
"""One build on one machine: filesystems times suites, in one guest."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
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

_MOST_SAID = 200


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

    def add_trouble(self, units: Sequence[Unit], error: LabError) -> None:
        """The same trouble for programs that could not run."""
        where = f" ({error.where})" if error.where else ""
        said = tuple((error.detail or "").splitlines())
        for unit in units:
            self.add(
                unit, Judged(unit.program, _status_of(error), f"{error.what}{where}", said), 0.0
            )


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


def _one_guest(outcome: _Outcome, pending: Sequence[Unit], number: int) -> list[Unit]:
    """Run what one guest survives; returns what is left for the next."""
    left = list(pending)
    try:
        with Guest(_numbered(outcome.job.guest, number)) as guest:
            outcome.command = outcome.command or tuple(guest.command)
            outcome.timeline = outcome.timeline or tuple(guest.timeline.marks)
            try:
                mode = prepare_namespace(guest)
                while left and _run_filesystem(outcome, guest, left, mode):
                    pass
            finally:
                _keep_kernel_log(guest)
    except LabError as error:
        # No filesystem was reached: another guest would end the same way.
        outcome.add_trouble(left, error)
        return []
    return left


def _run_filesystem(outcome: _Outcome, guest: Guest, left: list[Unit], mode: str) -> bool:
    """Run the units of the next filesystem, taking them off ``left``.

    Returns:
        Whether the guest is good for more.
    """
    recipe = left[0].recipe
    units = [unit for unit in left if unit.recipe == recipe]
    try:
        proof = {**set_up(guest, recipe), "namespace": mode}
    except InfrastructureError as error:
        left[:] = [unit for unit in left if unit.recipe != recipe]
        outcome.add_trouble(units, error)
        return not isinstance(error, GuestDied | CommandTimeout)
    outcome.dax.setdefault(recipe.name, proof)
    for unit in units:
        left.remove(unit)
        if not _run_unit(outcome, guest, unit):
            return False
    return True


def _run_unit(outcome: _Outcome, guest: Guest, unit: Unit) -> bool:
    """Run a program and judge it; returns whether the guest is good for more.

    One that still ran at its deadline may hold locks and memory, and its filesystem.
    """
    job = outcome.job
    command = [f"/lab/{unit.program}", unit.recipe.mount_point]
    if job.pattern:
        command += ["-k", job.pattern]
    started = time.monotonic()
    end = _run_program(guest, shlex.join(command), job.program_s)
    duration = time.monotonic() - started
    _keep(job, unit, end.output)
    judged = judge(
        unit.program,
        parse(end.output.encode(errors="replace")),
        end.status,
        ended=end.ended,
        detail=end.message,
        selected=job.pattern is not None,
    )
    for test in judged:
        outcome.add(unit, test, duration / max(1, len(judged)))
    return end.good


@dataclass(frozen=True)
class _End:
    """How a program ended, and whether its guest is good for more."""

    output: str
    status: int | None
    ended: Ended
    message: str
    good: bool = False


def _run_program(guest: Guest, command: str, deadline_s: float) -> _End:
    try:
        done = guest.run(command, deadline_s)
    except CommandTimeout as error:
        message = f"deadlines.program is {deadline_s:g} s"
        return _End(error.stdout, None, Ended.TIMEOUT, message)
    except GuestDied as error:
        # Without an exit status and without a dead kernel it is an error of ours.
        ended = Ended.GUEST_DIED if error.kernel else Ended.EXITED
        return _End(error.stdout, None, ended, error.what)
    return _End(done.stdout, done.status, Ended.EXITED, _first_line(done.stderr), good=True)


def _first_line(text: str) -> str:
    """What a program says first on stderr; it may say megabytes."""
    said = text.strip().splitlines()
    return said[0][:_MOST_SAID] if said else ""


def _keep(job: Job, unit: Unit, output: str) -> None:
    path = job.guest.folder / unit.recipe.name / f"{unit.suite}.{unit.program}.ktap"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output, encoding="utf-8", errors="replace")


def _keep_kernel_log(guest: Guest) -> None:
    if guest.alive():
        try:
            # A hung guest is not waited for: the console says nearly the same.
            log = guest.run("dmesg", guest.spec.shutdown_s).stdout
        except LabError:
            return
        (guest.spec.folder / "kernel.log").write_text(log, encoding="utf-8", errors="replace")


def _numbered(spec: GuestSpec, number: int) -> GuestSpec:
    """The first guest leaves its traces in the job's folder, the others beside it."""
    from dataclasses import replace

    return spec if number == 1 else replace(spec, folder=spec.folder / f"guest-{number}")


def _status_of(error: LabError) -> Status:
    """Whose fault a lost guest is: the kernel's until shown otherwise."""
    if isinstance(error, GuestDied):
        return Status.CRASH if error.kernel else Status.ERROR
    return Status.TIMEOUT if isinstance(error, BootTimeout | CommandTimeout) else Status.ERROR


def _evidence(outcome: _Outcome) -> Evidence:
    from dataclasses import replace

    return replace(
        outcome.job.evidence,
        cmdline=shlex.join(outcome.command),
        dax=tuple((name, tuple(proof.items())) for name, proof in outcome.dax.items()),
        timeline=outcome.timeline,
    )
