# SPDX-License-Identifier: GPL-2.0-only
"""One build on one machine: filesystems times suites, in one guest."""

from __future__ import annotations

import resource
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from lab.analysis.expectation import expected
from lab.complaints.benign import Benign
from lab.config.model import Expectation, Fresh
from lab.errors import InfrastructureError, LabError, UserError
from lab.execution.complaint_watch import Watch, charge, doubted
from lab.execution.hang import Signature
from lab.execution.mount_proof import proved
from lab.execution.prefetch import Ahead
from lab.execution.remainder import Rest, blame, list_tests, rest_of
from lab.execution.stall_watch import Live
from lab.filesystems.dax import DEVICE, CannotMount, Recipe, namespace_mode
from lab.filesystems.mounts import read as read_moved
from lab.filesystems.mounts import say_if_moved
from lab.guest import CommandFlood, CommandTimeout
from lab.guest.qemu.guest import Guest, GuestSpec, Hang
from lab.guest.qemu.process import BootTimeout, GuestDied
from lab.model.complaint import Complaint, Kind
from lab.model.log_mark import marked
from lab.model.records import (
    DID_NOT_RUN,
    INTERRUPTED,
    Evidence,
    GuestUse,
    JobRecord,
    Noted,
    TestResult,
)
from lab.model.status import Status
from lab.model.version import KernelVersion
from lab.results.folder import KERNEL_LOG, safe_name
from lab.suites.exact_pattern import only
from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import parse
from lab.unforeseen import as_lab_error

_MOST_SAID = 200
#: Why nothing more runs after ``max_fail``.
ENOUGH = "enough results are not as expected (--max-fail)"
HUNG_AT_END = "the guest hung while its filesystems were unmounted"
#: What a guest does last.  Unmounting is when a filesystem finds what was left in use.
LAST_WORDS = "umount /mnt/* 2>/dev/null; sleep {:g}; dmesg"


@dataclass(frozen=True)
class Unit:
    """One program of one suite on one filesystem.

    ``test`` names the only one of its tests that is to run; ``rest`` is what its end left,
    to be run one by one; ``after`` is that end, where a test of that rest runs.
    """

    recipe: Recipe
    suite: str
    program: str
    test: str | None = None
    rest: Rest | None = None
    after: str = ""

    @property
    def name(self) -> str:
        """``suite.program``, and the test if it is one."""
        return ".".join(filter(None, (self.suite, self.program, self.test)))

    @property
    def of(self) -> str:
        """The program, with its suite."""
        return f"{self.suite}.{self.program}"

    def arguments(self, pattern: str | None) -> list[str]:
        """The program's command line in the guest; ``pattern`` is for ``-k``."""
        if self.test is not None:
            pattern = only(self.test)
        selection = ["-k", pattern] if pattern else []
        return [f"/lab/{self.program}", self.recipe.mount_point, *selection]

    @property
    def file(self) -> str:
        """The name of the file with what it printed; no two units have the same."""
        test = "" if self.test is None else f".{safe_name(self.test)}"
        return f"{self.suite}.{self.program}{test}.ktap"


@dataclass(frozen=True)
class Job:
    """All that a job needs besides the cache; picklable.

    ``guest.folder`` is the job's folder: consoles, KTAP and logs go there.  ``ahead``
    lets the next guest start while one works: there is memory for both.  ``given`` are
    programs that cannot run, and why: they do not compile.  ``max_fail`` is after how many
    results that are not as expected nothing more runs; 0 is never.
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
    stall_s: float = 10.0
    max_fail: int = 0

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
            stall_s=spec.stall_s * factor,
        )
        return replace(
            self, guest=guest, program_s=self.program_s * factor, stall_s=self.stall_s * factor
        )

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
    on_word: Callable[[str], None]
    #: What is still to run, by guests; the first is being worked on.
    groups: list[list[Unit]] = field(default_factory=list)
    #: Why nothing more runs; "" while it goes on.
    over: str = ""
    #: What of it the lab could not do.
    error: str | None = None
    #: Results that are not as expected.
    failed: int = 0
    hangs: list[Signature] = field(default_factory=list)
    #: Programs that hang by themselves, and why they do not run again.
    given_up: dict[str, str] = field(default_factory=dict)
    results: list[TestResult] = field(default_factory=list)
    dax: dict[str, Mapping[str, str]] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    guests: int = 0
    used: list[GuestUse] = field(default_factory=list)
    #: Each once, in the order they came: a dict, since there may be thousands.
    complaints: dict[Noted, None] = field(default_factory=dict)
    watches: list[Watch] = field(default_factory=list)

    def watch(self, guest: GuestSpec) -> Watch:
        """Somebody who looks at the guest's console."""
        watch = Watch(guest.folder, guest.kernel.parent, self.job.release, self.job.benign)
        self.watches.append(watch)
        return watch

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
            diagnostics=(*judged.diagnostics, *_alone(unit)),
            metrics=judged.metrics,
            reason=reason,
            program=unit.program,
            given=judged.given,
        )
        self.results.append(result)
        self.on_result(result)
        self.failed += not result.as_expected and result.ran
        if 0 < self.job.max_fail <= self.failed:
            self.over = ENOUGH

    def add_unrun(self, unit: Unit, why: str) -> None:
        """Results for what of a program nobody ran."""
        names = unit.rest.names(unit.program) if unit.rest else (unit.test or unit.program,)
        for name in names:
            self.add(unit, Judged(name, Status.ERROR, f"{DID_NOT_RUN}{why}"), 0.0)

    def leave(self, why: str) -> None:
        """Nothing more runs: what is left says so."""
        left, self.groups = [unit for group in self.groups for unit in group], []
        for unit in left:
            self.add_unrun(unit, why)

    def note_hang(self, unit: Unit, test: str, hang: Signature) -> None:
        """A hang that came before shows nothing new, and takes as long again."""
        if self.job.expected(unit.recipe.name, unit.suite, test)[0] is Status.TIMEOUT:
            return
        if any(hang.is_like(other) for other in self.hangs):
            what = hang.title or f"{hang.program} hung without a word"
            said = f"the same hang came twice ({what})"
            if hang.alone:
                self.given_up[hang.program] = said
            else:
                self.over = said
        self.hangs.append(hang)

    def add_trouble(self, units: Sequence[Unit], error: LabError) -> None:
        """The same trouble for programs that could not run."""
        where = f" ({error.where})" if error.where else ""
        said = tuple((error.detail or "").splitlines())
        given = isinstance(error, UserError)
        for unit in units:
            if unit.rest is not None:
                self.add_unrun(unit, f"{error.what}{where}")
                continue
            name = unit.test or unit.program
            self.add(
                unit,
                Judged(name, _status_of(error), f"{error.what}{where}", said, given=given),
                0.0,
            )


def _alone(unit: Unit) -> Iterator[str]:
    """What a result is worth that was had without the tests before it."""
    if unit.after:
        yield f"ran alone, and not after the tests before it, since of these: {unit.after}"


class JobInterrupted(BaseException):
    """What was raised in the middle of a job: Ctrl-C, or a signal.

    Attributes:
        record: The job's, with all that had ended, and what did not run.
        cause: What was raised.
    """

    def __init__(self, record: JobRecord, cause: BaseException) -> None:
        super().__init__(record.variant)
        self.record = record
        self.cause = cause


def run_job(
    job: Job,
    on_result: Callable[[TestResult], None] = lambda _: None,
    on_word: Callable[[str], None] = lambda _: None,
) -> JobRecord:
    """Boot, test, collect; whatever the guest does, a record comes back.

    A guest that dies costs the test that ran: the rest goes on in a fresh one.

    Args:
        on_result: Is told each result when it is known.
        on_word: Is told what the kernel complains of, when it does.

    Raises:
        JobInterrupted: From what else than an error ended it.
    """
    # One that even its record cannot be made of costs itself, and no other job.
    try:
        return _run_job(job, on_result, on_word)
    except Exception as error:
        said = as_lab_error(error)
        return unrun_job(job, said.what, str(said))


def _run_job(
    job: Job, on_result: Callable[[TestResult], None], on_word: Callable[[str], None]
) -> JobRecord:
    outcome = _Outcome(job, on_result, on_word)
    started = datetime.now(UTC)
    clock = time.monotonic()
    cpu = _cpu_seconds()

    def record(error: str | None) -> JobRecord:
        return JobRecord(
            variant=job.variant,
            kernel_release=job.release,
            machine=job.machine,
            config=job.config,
            started=started.isoformat(timespec="seconds"),
            duration_s=round(time.monotonic() - clock, 3),
            evidence=_evidence(outcome, _cpu_seconds() - cpu),
            results=tuple(outcome.results),
            error=error,
            complaints=tuple(outcome.complaints),
        )

    for unit, error in job.given:
        outcome.add_trouble([unit], error)
    try:
        with closing(Ahead(outcome.next_spec, on=job.ahead)) as ahead:
            _run_groups(outcome, ahead)
    except Exception as error:
        said = as_lab_error(error)
        outcome.leave(said.what)
        return record(str(said))
    except BaseException as stop:
        outcome.leave(INTERRUPTED)
        raise JobInterrupted(record(INTERRUPTED), stop) from stop
    return record(outcome.error)


def unrun_job(job: Job, why: str, error: str | None = None) -> JobRecord:
    """The record of a job that was not begun: all that did not run says so."""
    outcome = _Outcome(job, lambda _: None, lambda _: None, [list(job.units)])
    outcome.leave(why)
    return JobRecord(
        variant=job.variant,
        kernel_release=job.release,
        machine=job.machine,
        config=job.config,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=0.0,
        evidence=job.evidence,
        results=tuple(outcome.results),
        error=error,
    )


def _run_groups(outcome: _Outcome, ahead: Ahead) -> None:
    groups = outcome.groups = [list(outcome.job.units)]
    groups[:] = [list(group) for group in _groups(outcome) if group]
    first = True
    while groups and not outcome.over:
        trouble = _one_guest(outcome, ahead, groups[0], then=groups[1] if groups[1:] else ())
        if trouble is not None:
            if not groups[0]:
                # All had run: what its guest still had to say, nobody knows.
                outcome.error = outcome.error or str(trouble)
            # Where the first guest reached no filesystem, no other would.
            doomed, groups[:] = (groups[:], []) if first else (groups[:1], groups[1:])
            outcome.add_trouble([unit for group in doomed for unit in group], trouble)
        elif not groups[0]:
            groups.pop(0)
        first = False
    outcome.leave(outcome.over)


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
    left = list(job.units)
    # The guests that follow meet the same trouble, and say so.
    with suppress(LabError):
        if left:
            with Guest(replace(job.guest, folder=job.guest.folder / "list")) as guest:
                while left:
                    names = list_tests(guest, _listing(job, left[0]))
                    unit = left.pop(0)
                    # A program that lists nothing says of itself what that means.
                    whole = not names and (names is None or job.pattern is None)
                    yield from [unit] if whole else _singles(unit, names or ())
    yield from left


def _singles(unit: Unit, names: Iterable[str]) -> Iterator[Unit]:
    """A unit for each name; one that comes again is no test more."""
    return (replace(unit, test=name) for name in dict.fromkeys(names))


def _listing(job: Job, unit: Unit) -> str:
    return shlex.join([*unit.arguments(job.pattern), "-l"])


@dataclass(frozen=True)
class _Session:
    """A guest with those who look at it, and what has run there."""

    guest: Guest
    watch: Watch
    live: Live
    ran: list[Unit] = field(default_factory=list)
    #: What was mounted when each filesystem was proved.
    mounted: dict[str, str] = field(default_factory=dict)
    #: Ends of programs, or of a setup, after which nobody expects the guest to do anything.
    lost: list[str] = field(default_factory=list)


def _one_guest(
    outcome: _Outcome, ahead: Ahead, left: list[Unit], *, then: Sequence[Unit]
) -> LabError | None:
    """Run what one guest survives, taking it off ``left``; ``then`` is what the next one is for.

    Returns:
        Why not even a filesystem was reached.
    """
    spec = ahead.spec(left[0].recipe)
    watch = outcome.watch(spec)
    try:
        with ahead.guest(spec) as guest:
            if then:
                ahead.begin(then[0].recipe)
            outcome.command = outcome.command or tuple(guest.command)
            session = _Session(guest, watch, _live(outcome, guest, watch))
            try:
                mode = namespace_mode(guest)
                while left and not outcome.over:
                    if not _run_filesystem(outcome, ahead, session, left, mode):
                        break
            finally:
                outcome.note_use(guest, session.ran)
            log = _keep_kernel_log(outcome, session)
            outcome.note(watch.rest(log, gone=guest.gone()))
            outcome.error = outcome.error or watch.unread or None
    except LabError as error:
        outcome.note(watch.rest())
        return error
    except OSError as error:
        return _not_kept(error, spec.folder)
    except Exception as error:
        with suppress(Exception):
            outcome.note(watch.rest())
        return as_lab_error(error)
    except BaseException:
        outcome.note(watch.rest(hurry=True))
        raise
    return None


def _live(outcome: _Outcome, guest: Guest, watch: Watch) -> Live:
    def tell(word: str) -> None:
        outcome.on_word(f"{outcome.job.variant}: {word}")

    return Live(watch, guest, outcome.job.stall_s, tell)


def _run_filesystem(
    outcome: _Outcome, ahead: Ahead, session: _Session, left: list[Unit], mode: str
) -> bool:
    """Run the units of the next filesystem, taking them off ``left``.

    Returns:
        Whether the guest is good for more.
    """
    recipe = left[0].recipe
    try:
        with session.live.looking():
            proof = {**ahead.set_up(session.guest, recipe), "namespace": mode}
    except InfrastructureError as error:
        units = [unit for unit in left if unit.recipe == recipe]
        left[:] = [unit for unit in left if unit.recipe != recipe]
        outcome.add_trouble(units, _stalled(session, error))
        lost = isinstance(error, GuestDied | CommandTimeout)
        session.lost.extend([error.what] if lost else ())
        return not lost
    outcome.dax.setdefault(recipe.name, proof)
    session.mounted[recipe.name] = proof.get("mounted", "")
    while left and left[0].recipe == recipe:
        if outcome.over or not _run_next(outcome, session, left):
            return False
    return True


def _stalled(session: _Session, error: InfrastructureError) -> InfrastructureError:
    """What the kernel said of a hang while a filesystem was made and mounted."""
    if session.live.hung is not None:
        error.what = f"{session.live.hung}: {error.what}"
    return error


def _run_next(outcome: _Outcome, session: _Session, left: list[Unit]) -> bool:
    """Run the first unit of ``left``; what it leaves is put there.

    Returns:
        Whether the guest is good for more.
    """
    unit = left.pop(0)
    if given_up := outcome.given_up.get(unit.of):
        outcome.add_unrun(unit, given_up)
        return True
    try:
        if unit.rest is not None:
            return _name_rest(outcome, session, unit, unit.rest, left)
        session.ran.append(unit)
        return _run_unit(outcome, session, unit, left)
    except OSError as error:
        outcome.add_trouble([unit], _not_kept(error, session.guest.spec.folder))
        return False
    except Exception as error:
        # It is not in ``left`` any more: without a result nobody would miss it.
        outcome.add_trouble([unit], as_lab_error(error))
        return False


def _name_rest(
    outcome: _Outcome, session: _Session, unit: Unit, rest: Rest, left: list[Unit]
) -> bool:
    """Put the tests that a program's end left before ``left``, or results that say why not.

    Returns:
        Whether the guest is good for more.
    """
    whole = replace(unit, rest=None)
    names: tuple[str, ...] = ()
    good = True
    if rest.listed:
        try:
            with session.live.looking():
                names = list_tests(session.guest, _listing(outcome.job, whole), rest.done) or ()
        except InfrastructureError as error:
            session.lost.append(error.what)
            good = False
    again = [*_singles(whole, (name for name in names if name not in rest.done))]
    left[:0] = [replace(single, after=rest.why) for single in again]
    # What it planned and does not list is counted too.
    unlisted = rest.missing - len(again)
    if unlisted > 0:
        outcome.add_unrun(replace(unit, rest=replace(rest, missing=unlisted)), rest.why)
    return good


def _run_unit(outcome: _Outcome, session: _Session, unit: Unit, left: list[Unit]) -> bool:
    """Run a program and judge it; returns whether the guest is good for more.

    One that still ran at its deadline may hold locks and memory, and its filesystem.  What
    its end left of it comes first in ``left``.
    """
    job = outcome.job
    started = time.monotonic()
    command = _marked(unit, unit.arguments(job.pattern), session.mounted.get(unit.recipe.name))
    try:
        end = _run_program(session, command, job.program_s)
        duration = time.monotonic() - started
        # A console that is long takes a while, too.
        judged, rest = _judged(outcome, session, unit, end)
    except BaseException as stop:
        if not isinstance(stop, Exception):
            _keep_begun(outcome, session, unit, time.monotonic() - started)
        raise
    if not end.good:
        session.lost.append(end.message)
    for result in judged:
        outcome.add(unit, result, duration / len(judged))
    if rest is not None and rest.listed:
        left.insert(0, replace(unit, rest=rest))
    elif rest is not None:
        outcome.add_unrun(replace(unit, rest=rest), rest.why)
    if end.hang is not None:
        test = unit.test or session.watch.test
        outcome.note_hang(
            unit, test, Signature.of(unit.of, end.complaint, alone=end.hang is Hang.PROGRAM)
        )
    good = end.good and end.moved is None and session.live.broken is None
    return good and not session.watch.unread


def _judged(
    outcome: _Outcome, session: _Session, unit: Unit, end: _End, *, hurry: bool = False
) -> tuple[Sequence[Judged], Rest | None]:
    """The results of a program, and what its end left of it."""
    _keep(outcome.job, unit, end.output)
    report = parse(end.output.encode(errors="replace"))
    judged = judge(
        unit.program,
        report,
        end.status,
        ended=end.ended,
        detail=end.message,
        selected=outcome.job.pattern is not None or unit.test is not None,
    )
    if unit.test is not None and not judged:
        judged = (Judged(unit.test, Status.ERROR, "was listed, and then did not run"),)
    watch = session.watch
    noted = outcome.note(watch.ran(alive=end.good, gone=session.guest.gone(), hurry=hurry))
    judged = charge(unit.program, judged, noted, marked=watch.marked_tests())
    judged = doubted(judged, watch.unread)
    if unit.test is not None or not end.good:
        judged = blame(unit.program, judged, unit.test or watch.test)
    # One that does not mark its tests may not know -l either, and would do it all again.
    listed = not end.good and watch.marked_tests() and unit.test is None
    rest = rest_of(report, judged, unit.program, listed=listed)
    if end.moved is not None:
        listed = watch.marked_tests() and unit.test is None
        kept, again = proved(judged, unit.program, unit.recipe.name, end.moved, listed=listed)
        return kept, again or rest
    return judged, rest


def _keep_begun(outcome: _Outcome, session: _Session, unit: Unit, duration_s: float) -> None:
    """What a program had shown when it was interrupted; nobody tells how it would have ended."""
    end = _End(session.guest.said(), None, Ended.EXITED, INTERRUPTED)
    judged, rest = _judged(outcome, session, unit, end, hurry=True)
    # What the kernel said of the test that ran is no less true for that.
    cut = [one for one in judged if one.status is Status.ERROR and INTERRUPTED in one.message]
    reported = [one for one in judged if one not in cut]
    for result in reported:
        outcome.add(unit, result, duration_s / len(reported))
    missing = len(judged) - len(reported) + (rest.missing if rest else 0)
    if reported or rest:
        planned = len(reported) + missing
        unit = replace(unit, rest=Rest(planned, missing, frozenset(), INTERRUPTED, listed=False))
    outcome.add_unrun(unit, INTERRUPTED)


def _marked(unit: Unit, command: list[str], mounted: str | None) -> str:
    """The command, between lines in the kernel log that say what runs.

    What is mounted then must be what was ``mounted`` when it was proved.
    """
    recipe = unit.recipe
    then = say_if_moved(DEVICE, recipe.mount_point, mounted) if mounted else "true"
    return marked(command, recipe.name, unit.suite, unit.program, then)


@dataclass(frozen=True)
class _End:
    """How a program ended, and whether its guest is good for more.

    ``hang`` is who did not go on, where somebody did not; ``complaint`` what the kernel
    said of that.  ``moved`` is what is mounted, where that is not what was proved.
    """

    output: str
    status: int | None
    ended: Ended
    message: str
    good: bool = False
    hang: Hang | None = None
    complaint: Complaint | None = None
    moved: str | None = None


def _run_program(session: _Session, command: str, deadline_s: float) -> _End:
    guest = session.guest
    try:
        with session.live.looking():
            done = guest.run(command, deadline_s)
    except CommandTimeout as error:
        return _hung(session, error.stdout, deadline_s)
    except CommandFlood as error:
        return _End(error.stdout, None, Ended.EXITED, error.what)
    except GuestDied as error:
        # Without an exit status and without a dead kernel it is an error of ours.
        ended = Ended.GUEST_DIED if error.kernel else Ended.EXITED
        return _End(error.stdout, None, ended, error.what)
    said, moved = read_moved(done.stderr)
    return _End(done.stdout, done.status, Ended.EXITED, _first_line(said), good=True, moved=moved)


def _hung(session: _Session, output: str, deadline_s: float) -> _End:
    """The end of a program that its deadline ended, or what the kernel said of it."""
    hung = session.live.hung
    who, said = session.guest.examine_hang()
    if hung is not None:
        stalls = hung.complaint.stalls
        ended = Ended.STALLED if stalls else Ended.GUEST_DIED
        hang = Hang.GUEST if stalls else None
        return _End(output, None, ended, f"{hung}; {said}", hang=hang, complaint=hung.complaint)
    if who is Hang.QEMU:
        # QEMU that hangs is no fault of the kernel's.
        message = f"deadlines.program is {deadline_s:g} s; {said}"
        return _End(output, None, Ended.EXITED, message)
    message = f"deadlines.program is {deadline_s:g} s; {said}"
    return _End(output, None, Ended.TIMEOUT, message, hang=who)


def _first_line(text: str) -> str:
    """What a program says first on stderr; it may say megabytes."""
    said = text.strip().splitlines()
    return said[0][:_MOST_SAID] if said else ""


def _keep(job: Job, unit: Unit, output: str) -> None:
    path = job.guest.folder / unit.recipe.name / unit.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output, encoding="utf-8", errors="replace")


def _not_kept(error: OSError, folder: Path) -> InfrastructureError:
    """No space, most likely: what cannot be looked at later is no result."""
    return InfrastructureError(
        f"the evidence cannot be kept: {error.strerror or error}", where=folder, hint="lab doctor"
    )


def _keep_kernel_log(outcome: _Outcome, session: _Session) -> str:
    """Unmount what was mounted, wait for late complaints, and keep the log; returns it."""
    guest, settle_s = session.guest, outcome.job.settle_s
    # A guest that hangs is not waited for: the console says nearly the same.
    if session.live.hung or not guest.alive() or not guest.answers:
        return ""
    deadline_s = guest.spec.command_s + settle_s
    try:
        log = guest.run(LAST_WORDS.format(settle_s), deadline_s).stdout
    except LabError as error:
        if not session.lost and session.live.broken is None:
            _note_last_hang(outcome, session, error, deadline_s)
        return ""
    (guest.spec.folder / KERNEL_LOG).write_text(log, encoding="utf-8", errors="replace")
    return log


def _note_last_hang(
    outcome: _Outcome, session: _Session, error: LabError, deadline_s: float
) -> None:
    """A guest in which all went well, and that then did not give its log: no pass is the end of it.

    One that died is told by whoever looks at its console.
    """
    if session.guest.gone() or (isinstance(error, GuestDied) and error.kernel):
        return
    who, said = Hang.QEMU, error.what
    if isinstance(error, CommandTimeout):
        who, said = session.guest.examine_hang()
    if who is Hang.QEMU:
        outcome.error = f"the kernel's log could not be had: {said}"
        return
    lines = (f"it was not done in {deadline_s:g} s; {said}", *_last_lines(session.guest))
    complaint = Complaint(Kind.HANG, HUNG_AT_END, lines, headline=f"{HUNG_AT_END}: {lines[0]}")
    outcome.note((Noted(complaint),))
    outcome.on_word(f"{outcome.job.variant}: {HUNG_AT_END}")


def _last_lines(guest: Guest) -> tuple[str, ...]:
    """What its console said last."""
    return tuple(guest.console.tail().splitlines())


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
    evidence = outcome.job.evidence
    # Of a guest that did not come so far there is none.
    kept = (outcome.job.guest.folder / KERNEL_LOG).exists()
    return replace(
        evidence,
        kernel_log_path=evidence.kernel_log_path if kept else "",
        cmdline=shlex.join(outcome.command),
        dax=tuple((name, tuple(proof.items())) for name, proof in outcome.dax.items()),
        timeline=outcome.used[0].timeline if outcome.used else (),
        guests=tuple(outcome.used),
        cost=(("cpu_s", round(cpu_s, 3)), *evidence.cost),
        unkept=sum(watch.unkept for watch in outcome.watches),
    )
