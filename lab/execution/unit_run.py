# SPDX-License-Identifier: GPL-2.0-only
"""A unit run in a guest: its results, and what its end left of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from lab.execution.complaint_watch import charge, doubted
from lab.execution.guest_session import GuestSession
from lab.execution.hang import Signature
from lab.execution.host_run import run_on_host
from lab.execution.job import Job
from lab.execution.left_files import with_left
from lab.execution.mount_proof import proved
from lab.execution.program_end import ProgramEnd, run_program
from lab.execution.remainder import Rest, blame, rest_of
from lab.execution.unit import Unit
from lab.filesystems.mounts import check
from lab.guest.guest import Hang
from lab.model.log_mark import marked
from lab.model.records import LEFT_CHANGED
from lab.model.status import Status
from lab.model.unrun import INTERRUPTED
from lab.process.interrupt import may_interrupt
from lab.suites.judge import Ended, Judged
from lab.suites.on_host import OnHost
from lab.suites.suite import Leaves


def run_unit(session: GuestSession, unit: Unit) -> bool:
    """Run a program and judge it; returns whether the guest is good for more.

    One that still ran at its deadline may hold locks and memory, and its filesystem.  What
    its end left of it comes first on the agenda.
    """
    job = session.findings.job
    started = time.monotonic()
    shell = unit.shell(job.pattern)
    if not shell:
        _leave_out(session, unit)
        return True
    then = _following(session, unit)
    # A signal may come before it begins: what the one before it printed is not its own.
    session.guest.forget()
    try:
        with may_interrupt():
            end = _ran(session, unit, shell, then)
            duration = time.monotonic() - started if end.took_s is None else end.took_s
            # A console that is long takes a while, too.
            judged, rest = _judged(session, unit, end, ahead=then is not None)
    except BaseException as stop:
        if not isinstance(stop, Exception):
            _keep_what_began(session, unit, time.monotonic() - started)
        raise
    if not end.good:
        session.lost.append(end.message)
    try:
        _take_in(session, unit, _noted(judged, end), duration, asked=end.good)
    finally:
        _leave_rest(session, unit, rest)
    if end.hang is not None:
        _note_hang(session, unit, end, end.hang)
    return end.left_as_found and session.sound


def _take_in(
    session: GuestSession, unit: Unit, judged: Sequence[Judged], duration_s: float, *, asked: bool
) -> None:
    """Take results in, with what their tests left in the guest, if a signal leaves the time."""
    results = judged
    try:
        with may_interrupt():
            results = with_left(session, unit, judged, asked=asked)
    except Exception:
        results = ()  # what went wrong is told in their place
        raise
    finally:
        for result in results:
            session.findings.add(unit, result, duration_s / len(judged))


def _ran(session: GuestSession, unit: Unit, shell: str, then: str | None) -> ProgramEnd:
    if isinstance(unit.kind, OnHost):
        return run_on_host(session, unit, unit.kind)
    deadline = unit.deadline(session.findings.job.program_s)
    command = _marked(unit, shell, session.mounted.get(unit.filesystem.name))
    return run_program(session.guest, session.stall_watch, command, *deadline, then)


def _noted(judged: Sequence[Judged], end: ProgramEnd) -> Sequence[Judged]:
    """The results of a program that left its guest changed say so."""
    if end.changed is None:
        return judged
    note = f"{LEFT_CHANGED}, what follows has a fresh one: {end.changed}"
    return [replace(one, diagnostics=(*one.diagnostics, note)) for one in judged]


def _leave_out(session: GuestSession, unit: Unit) -> None:
    """What the pattern picks nothing of has no result; a test that was listed was picked."""
    if session.findings.job.pattern is None or unit.test is not None:
        session.findings.add_unrun(unit, f"suite {unit.suite} gives no command for it")


def _leave_rest(session: GuestSession, unit: Unit, rest: Rest | None) -> None:
    """Have what a program's end left of it run next, or say why nobody can."""
    if rest is not None and rest.listed:
        session.agenda.put_first([replace(unit, rest=rest)])
    elif rest is not None:
        session.findings.add_unrun(replace(unit, rest=rest), rest.why)


def _note_hang(session: GuestSession, unit: Unit, end: ProgramEnd, who: Hang) -> None:
    test = unit.test or session.watch.test
    hang = Signature.of(unit.of, end.complaint, alone=who is Hang.PROGRAM)
    session.findings.note_hang(unit, test, hang)


def _judged(
    session: GuestSession,
    unit: Unit,
    end: ProgramEnd,
    *,
    hurry: bool = False,
    ahead: bool = False,
) -> tuple[Sequence[Judged], Rest | None]:
    """The results of a program, and what its end left of it."""
    job, watch = session.findings.job, session.watch
    _keep(job, unit, end.output)
    ran = unit.kind.judge(
        unit.program,
        end.output.encode(errors="replace"),
        end.status,
        ended=end.ended,
        detail=end.message,
        selected=job.pattern is not None or unit.test is not None,
    )
    judged: Sequence[Judged] = ran.judged
    if not judged and unit.test is not None:
        judged = (Judged(unit.test, Status.ERROR, "was listed, and then did not run"),)
    elif not judged and job.pattern is None:
        judged = (Judged(unit.program, Status.ERROR, "ran, and nothing was made of it"),)
    noted = watch.ran(alive=end.good, gone=session.guest.gone(), hurry=hurry, ahead=ahead)
    session.findings.note(noted)
    judged = charge(unit.program, judged, noted, marked=watch.marked_tests())
    judged = doubted(judged, watch.unread)
    if unit.test is not None or not end.good:
        judged = blame(unit.program, judged, unit.test or watch.test)
    # One that does not mark its tests may not know -l either, and would do it all again.
    listed = watch.marked_tests() and unit.test is None
    rest = rest_of(ran.report, judged, unit.program, listed=listed and not end.good)
    if end.moved is not None:
        kept, again = proved(judged, unit.program, unit.filesystem.name, end.moved, listed=listed)
        return kept, again or rest
    return judged, rest


def _keep_what_began(session: GuestSession, unit: Unit, duration_s: float) -> None:
    """Keep it if it can be kept: whatever goes wrong with that, the job was told to end."""
    try:
        _keep_begun(session, unit, duration_s)
    except Exception:
        session.findings.add_unrun(unit, INTERRUPTED.why, INTERRUPTED.kind)


def _keep_begun(session: GuestSession, unit: Unit, duration_s: float) -> None:
    """What a program had shown when it was interrupted; nobody tells how it would have ended."""
    why = INTERRUPTED.why
    # What a test of this host's asked the guest is not what it printed itself.
    said = "" if isinstance(unit.kind, OnHost) else session.guest.said()
    end = ProgramEnd(said, None, Ended.INTERRUPTED, why)
    judged, rest = _judged(session, unit, end, hurry=True)
    # What the kernel said of the test that ran is no less true for that.
    reported = [one for one in judged if not _is_cut(one, unit)]
    for result in reported:
        session.findings.add(unit, result, duration_s / len(reported))
    missing = len(judged) - len(reported) + (rest.missing if rest else 0)
    if reported or rest:
        planned = len(reported) + missing
        unit = replace(unit, rest=Rest(planned, missing, frozenset(), why, listed=False))
    session.findings.add_unrun(unit, why, INTERRUPTED.kind)


def _is_cut(judged: Judged, unit: Unit) -> bool:
    """Whether an interrupted program's result says only that: whichever kind of suite judged."""
    whole = judged.cut or judged.test == (unit.test or unit.program)
    return whole and judged.status is Status.ERROR


def _following(session: GuestSession, unit: Unit) -> str | None:
    """The command that certainly runs next in the guest if it is good for it, without a look at
    what this one did: nobody asks the guest anything between the two.
    """
    job, after = session.findings.job, next(iter(session.agenda.group), None)
    if after is None or after.filesystem != unit.filesystem or after.rest is not None:
        return None
    if job.counts or job.max_fail or isinstance(unit.kind, Leaves):
        return None
    if isinstance(unit.kind, OnHost) or isinstance(after.kind, OnHost):
        return None
    if session.findings.hangs.given_up(after.of):
        return None
    shell = after.shell(job.pattern)
    mounted = session.mounted.get(after.filesystem.name)
    return _marked(after, shell, mounted) if shell else None


def _marked(unit: Unit, command: str, mounted: str | None) -> str:
    """The command, between lines in the kernel log that say what runs.

    What is mounted then must be what was ``mounted`` when it was proved, and the guest
    set as it was.
    """
    filesystem = unit.filesystem
    then = check(filesystem.device, filesystem.mount_point, mounted)
    return marked(command, filesystem.name, unit.suite, unit.program, then)


def _keep(job: Job, unit: Unit, output: str) -> None:
    path = job.guest.folder / unit.filesystem.name / unit.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output, encoding="utf-8", errors="replace")
