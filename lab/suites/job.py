# SPDX-License-Identifier: GPL-2.0-only
"""One build on one machine: filesystems times suites, in one guest."""

from __future__ import annotations

import resource
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from lab.complaints.benign import Benign
from lab.config.model import Expectation, Fresh, Status
from lab.errors import InfrastructureError, LabError, UserError
from lab.guest import BootTimeout, CommandTimeout, Guest, GuestDied, GuestSpec, Hang
from lab.plan import expected
from lab.results import Evidence, GuestUse, JobRecord, Noted, TestResult
from lab.suites.ahead import Ahead
from lab.suites.filesystem import CannotMount, Recipe, namespace_mode
from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import parse
from lab.suites.mark import marked
from lab.suites.watch import Watch, charge
from lab.version import KernelVersion

_MOST_SAID = 200
#: What a guest does last.  Unmounting is when a filesystem finds what was left in use.
LAST_WORDS = "umount /mnt/* 2>/dev/null; sleep {:g}; dmesg"


@dataclass(frozen=True)
class Unit:
    """One program of one suite on one filesystem: what a dead guest costs at most.

    ``test`` names the only one of its tests that is to run.
    """

    recipe: Recipe
    suite: str
    program: str
    test: str | None = None

    @property
    def name(self) -> str:
        """``suite.program``, and the test if it is one; names files."""
        return ".".join(filter(None, (self.suite, self.program, self.test)))

    def arguments(self, pattern: str | None) -> list[str]:
        """The program's command line in the guest; ``pattern`` is for ``-k``."""
        if self.test is not None:
            # As a glob it is that name alone; a plain word matches any name that holds it.
            pattern = f"[{self.test[0]}]{self.test[1:]}"
        selection = ["-k", pattern] if pattern else []
        return [f"/lab/{self.program}", self.recipe.mount_point, *selection]


@dataclass(frozen=True)
class Job:
    """All that a job needs besides the cache; picklable.

    ``guest.folder`` is the job's folder: consoles, KTAP and logs go there.  ``ahead``
    lets the next guest start while one works: there is memory for both.  ``given`` are
    programs that cannot run, and why: they do not compile.
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
    ahead: bool = False
    given: tuple[tuple[Unit, LabError], ...] = ()

    def stretched(self, factor: float) -> Job:
        """The same job with deadlines for a host that is ``factor`` times as busy."""
        if factor == 1:
            return self
        spec = self.guest
        guest = replace(
            spec,
            boot_s=spec.boot_s * factor,
            ssh_s=spec.ssh_s * factor,
            command_s=spec.command_s * factor,
            shutdown_s=spec.shutdown_s * factor,
        )
        return replace(self, guest=guest, program_s=self.program_s * factor)

    def expected(self, filesystem: str, suite: str, test: str) -> tuple[Status, str]:
        """The status that one of its tests should have, and why."""
        return expected(
            self.expect,
            variant=self.variant,
            version=KernelVersion.of_release(self.release),
            filesystem=filesystem,
            suite=suite,
            test=test,
        )


@dataclass
class _Outcome:
    """What a job has found so far."""

    job: Job
    on_result: Callable[[TestResult], None]
    results: list[TestResult] = field(default_factory=list)
    dax: dict[str, Mapping[str, str]] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    guests: int = 0
    used: list[GuestUse] = field(default_factory=list)
    #: Each once, in the order they came: a dict, since there may be thousands.
    complaints: dict[Noted, None] = field(default_factory=dict)

    def watch(self, guest: GuestSpec) -> Watch:
        """Somebody who looks at the guest's console."""
        return Watch(guest.folder, guest.kernel.parent, self.job.release, self.job.benign)

    def note(self, noted: Sequence[Noted]) -> Sequence[Noted]:
        """Keep complaints; guests of one saved state have those of its boot in common."""
        self.complaints.update(dict.fromkeys(noted))
        return noted

    def note_use(self, guest: Guest, units: Sequence[Unit]) -> None:
        """Record which guest ran what."""
        folder = guest.spec.folder.relative_to(self.job.guest.folder)
        ran = tuple(f"{unit.recipe.name}/{unit.name}" for unit in units)
        use = GuestUse(str(folder), guest.state, ran, tuple(guest.timeline.marks))
        self.used.append(use)

    def next_spec(self) -> GuestSpec:
        """The first guest leaves its traces in the job's folder, the others below it."""
        self.guests += 1
        spec = self.job.guest
        if self.guests == 1:
            return spec
        return replace(spec, folder=spec.folder / f"guest-{self.guests}")

    def add(self, unit: Unit, judged: Judged, duration_s: float) -> None:
        status, reason = self.job.expected(unit.recipe.name, unit.suite, judged.test)
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
            program=unit.program,
            given=judged.given,
        )
        self.results.append(result)
        self.on_result(result)

    def add_trouble(self, units: Sequence[Unit], error: LabError) -> None:
        """The same trouble for programs that could not run."""
        where = f" ({error.where})" if error.where else ""
        said = tuple((error.detail or "").splitlines())
        given = isinstance(error, UserError)
        for unit in units:
            self.add(
                unit,
                Judged(unit.program, _status_of(error), f"{error.what}{where}", said, given=given),
                0.0,
            )


def run_job(job: Job, on_result: Callable[[TestResult], None] = lambda _: None) -> JobRecord:
    """Boot, test, collect; whatever the guest does, a record comes back.

    A guest that dies costs the program that ran: the others go on in a fresh one.
    """
    outcome = _Outcome(job, on_result)
    started = datetime.now(UTC)
    clock = time.monotonic()
    cpu = _cpu_seconds()
    for unit, error in job.given:
        outcome.add_trouble([unit], error)
    with closing(Ahead(outcome.next_spec, on=job.ahead)) as ahead:
        _run_groups(outcome, ahead)
    return JobRecord(
        variant=job.variant,
        kernel_release=job.release,
        machine=job.machine,
        config=job.config,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - clock, 3),
        evidence=_evidence(outcome, _cpu_seconds() - cpu),
        results=tuple(outcome.results),
        error=None,
        complaints=tuple(outcome.complaints),
    )


def _run_groups(outcome: _Outcome, ahead: Ahead) -> None:
    groups = list(_groups(outcome))
    first = True
    while groups:
        left = list(groups.pop(0))
        while left:
            left, trouble = _one_guest(outcome, ahead, left, then=groups[0] if groups else ())
            if trouble is not None:
                # Where the first guest reached no filesystem, no other would.
                doomed = [left, *groups] if first else [left]
                outcome.add_trouble([unit for group in doomed for unit in group], trouble)
                groups = [] if first else groups
                left = []
            first = False


def _groups(outcome: _Outcome) -> Iterator[Sequence[Unit]]:
    """The units that share a guest, in order."""
    job = outcome.job
    match job.fresh:
        case Fresh.JOB:
            yield job.units
        case Fresh.FILESYSTEM:
            yield from (list(group) for _, group in groupby(job.units, lambda unit: unit.recipe))
        case Fresh.PROGRAM:
            yield from ([unit] for unit in job.units)
        case Fresh.TEST:
            yield from ([unit] for unit in _single_tests(outcome))


def _single_tests(outcome: _Outcome) -> Iterator[Unit]:
    """Each test of each program that can list them; a program that cannot, as a whole."""
    job = outcome.job
    if not job.units:
        return
    try:
        with Guest(replace(job.guest, folder=job.guest.folder / "list")) as guest:
            for unit in job.units:
                names = guest.run(shlex.join([*unit.arguments(job.pattern), "-l"]))
                listed = names.stdout.split() if names.status == 0 else []
                yield from (replace(unit, test=name) for name in listed)
                if names.status != 0:
                    yield unit
    except LabError:
        # The guests that follow meet it too, and say so.
        yield from job.units


def _one_guest(
    outcome: _Outcome, ahead: Ahead, units: Sequence[Unit], *, then: Sequence[Unit]
) -> tuple[list[Unit], LabError | None]:
    """Run what one guest survives; ``then`` is what the next guest is for.

    Returns:
        The units that are left, and why not even a filesystem was reached.
    """
    left = list(units)
    spec = ahead.spec(units[0].recipe)
    watch = outcome.watch(spec)
    try:
        with ahead.guest(spec) as guest:
            if then:
                ahead.begin(then[0].recipe)
            outcome.command = outcome.command or tuple(guest.command)
            try:
                mode = namespace_mode(guest)
                while left and _run_filesystem(outcome, ahead, guest, watch, left, mode):
                    pass
            finally:
                outcome.note_use(guest, units[: len(units) - len(left)])
                log = _keep_kernel_log(guest, outcome.job.settle_s)
                outcome.note(watch.rest(log, gone=guest.gone()))
    except LabError as error:
        outcome.note(watch.rest())
        return left, error
    except OSError as error:
        return left, _not_kept(error, spec.folder)
    return left, None


def _run_filesystem(
    outcome: _Outcome, ahead: Ahead, guest: Guest, watch: Watch, left: list[Unit], mode: str
) -> bool:
    """Run the units of the next filesystem, taking them off ``left``.

    Returns:
        Whether the guest is good for more.
    """
    recipe = left[0].recipe
    units = [unit for unit in left if unit.recipe == recipe]
    try:
        proof = {**ahead.set_up(guest, recipe), "namespace": mode}
    except InfrastructureError as error:
        left[:] = [unit for unit in left if unit.recipe != recipe]
        outcome.add_trouble(units, error)
        return not isinstance(error, GuestDied | CommandTimeout)
    outcome.dax.setdefault(recipe.name, proof)
    for unit in units:
        left.remove(unit)
        try:
            good = _run_unit(outcome, guest, watch, unit)
        except OSError as error:
            outcome.add_trouble([unit], _not_kept(error, guest.spec.folder))
            good = False
        if not good:
            return False
    return True


def _run_unit(outcome: _Outcome, guest: Guest, watch: Watch, unit: Unit) -> bool:
    """Run a program and judge it; returns whether the guest is good for more.

    One that still ran at its deadline may hold locks and memory, and its filesystem.
    """
    job = outcome.job
    started = time.monotonic()
    end = _run_program(guest, _marked(unit, unit.arguments(job.pattern)), job.program_s)
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
    if unit.test is not None and not judged:
        judged = (Judged(unit.test, Status.ERROR, "was listed, and then did not run"),)
    noted = outcome.note(watch.ran(alive=end.good, gone=guest.gone()))
    judged = charge(unit.program, judged, noted, marked=watch.marked_tests())
    for test in judged:
        outcome.add(unit, test, duration / max(1, len(judged)))
    return end.good


def _marked(unit: Unit, command: list[str]) -> str:
    """The command, between lines in the kernel log that say what runs."""
    return marked(command, unit.recipe.name, unit.suite, unit.program)


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
        who, said = guest.examine_hang()
        # QEMU that hangs is no fault of the kernel's.
        ended = Ended.EXITED if who is Hang.QEMU else Ended.TIMEOUT
        message = f"deadlines.program is {deadline_s:g} s; {said}"
        return _End(error.stdout, None, ended, message)
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
    path = job.guest.folder / unit.recipe.name / f"{unit.name}.ktap"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output, encoding="utf-8", errors="replace")


def _not_kept(error: OSError, folder: Path) -> InfrastructureError:
    """No space, most likely: what cannot be looked at later is no result."""
    return InfrastructureError(
        f"the evidence cannot be kept: {error.strerror or error}", where=folder, hint="lab doctor"
    )


def _keep_kernel_log(guest: Guest, settle_s: float) -> str:
    """Unmount what was mounted, wait for late complaints, and keep the log; returns it."""
    # A guest that hangs is not waited for: the console says nearly the same.
    if not guest.alive() or not guest.answers:
        return ""
    try:
        log = guest.run(LAST_WORDS.format(settle_s), guest.spec.shutdown_s + settle_s).stdout
    except LabError:
        return ""
    (guest.spec.folder / "kernel.log").write_text(log, encoding="utf-8", errors="replace")
    return log


def _status_of(error: LabError) -> Status:
    """Whose fault a lost guest is: the kernel's until shown otherwise."""
    if isinstance(error, GuestDied):
        return Status.CRASH if error.kernel else Status.ERROR
    if isinstance(error, CannotMount):
        return Status.SKIP
    return Status.TIMEOUT if isinstance(error, BootTimeout | CommandTimeout) else Status.ERROR


def _cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended: QEMU's above all."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _evidence(outcome: _Outcome, cpu_s: float) -> Evidence:
    return replace(
        outcome.job.evidence,
        cmdline=shlex.join(outcome.command),
        dax=tuple((name, tuple(proof.items())) for name, proof in outcome.dax.items()),
        timeline=outcome.used[0].timeline if outcome.used else (),
        guests=tuple(outcome.used),
        cost=(("cpu_s", round(cpu_s, 3)), *outcome.job.evidence.cost),
    )
