# SPDX-License-Identifier: GPL-2.0-only
"""A group of units run in one guest, as far as that guest is good for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from lab.errors import InfrastructureError, LabError
from lab.execution.agenda import Agenda
from lab.execution.complaint_watch import ComplaintWatch
from lab.execution.findings import Findings
from lab.execution.guest_session import GuestSession
from lab.execution.guest_trouble import not_kept
from lab.execution.last_words import keep_kernel_log
from lab.execution.prefetch import Prefetch
from lab.execution.remainder import Rest, list_tests
from lab.execution.unit import Unit
from lab.execution.unit_marks import noting_marks
from lab.execution.unit_run import run_unit
from lab.filesystems.pmem import check_prepared
from lab.filesystems.set_up import StaysMounted
from lab.guest.command import CommandTimeout
from lab.guest.guest import Guest, GuestDied
from lab.model.job_error import JobError
from lab.process.interrupt import held, may_interrupt
from lab.unforeseen import as_lab_error


def run_group(findings: Findings, agenda: Agenda, prefetch: Prefetch) -> LabError | None:
    """Run units of the group that has its turn, taking them off, while one guest is good for it.

    The next guest starts meanwhile.

    Returns:
        Why the guest could not be used, or not to its end.
    """
    spec = prefetch.spec(agenda.group[0].filesystem)
    watch = findings.watch(spec)
    try:
        with prefetch.guest(spec) as guest:
            _use(findings, agenda, prefetch, guest, watch)
    except LabError as error:
        findings.note(watch.rest())
        return error
    except OSError as error:
        return not_kept(error, spec.folder)
    except Exception as error:
        with suppress(Exception):
            findings.note(watch.rest())
        return as_lab_error(error)
    except BaseException:
        findings.note(watch.rest(hurry=True))
        raise
    return None


def _use(
    findings: Findings, agenda: Agenda, prefetch: Prefetch, guest: Guest, watch: ComplaintWatch
) -> None:
    """Have an open guest do what it is good for, and say its last words."""
    if (then := agenda.next_filesystem) is not None:
        prefetch.begin(then)
    findings.command = findings.command or tuple(guest.command)
    findings.guest = findings.place_of(guest)
    session = GuestSession.of(findings, agenda, guest, watch)
    try:
        check_prepared(guest, {unit.filesystem.device for unit in agenda.group})
        while agenda.group and not findings.over:
            if not _run_filesystem(session, prefetch):
                break
    finally:
        findings.note_use(guest, session.ran)
    log = keep_kernel_log(session)
    findings.note(watch.rest(log, gone=guest.gone()))
    if watch.unread:
        findings.note_error(JobError(watch.unread))


def _run_filesystem(session: GuestSession, prefetch: Prefetch) -> bool:
    """Run the units of the next filesystem; returns whether the guest is good for more."""
    findings, agenda = session.findings, session.agenda
    filesystem = agenda.group[0].filesystem
    try:
        with session.stall_watch.looking():
            mounted = prefetch.set_up(session.guest, filesystem)
    except InfrastructureError as error:
        if isinstance(error, StaysMounted) and session.ran:
            findings.note_left(session.guest, error.what)
            return False  # the next guest has a device of its own
        error = _stalled(session, error)
        with held():
            findings.add_trouble(agenda.take_filesystem(filesystem), error)
        lost = isinstance(error, GuestDied | CommandTimeout)
        session.lost.extend([error.what] if lost else ())
        return not lost
    findings.proofs.setdefault(filesystem.name, mounted.proofs)
    session.mounted[filesystem.name] = mounted.table
    while agenda.group and agenda.group[0].filesystem == filesystem:
        if findings.over:
            return False
        # Between the agenda and the results a unit is in neither.
        with held():
            good = _run_next(session)
        if not good:
            return False
    return True


def _stalled(session: GuestSession, error: InfrastructureError) -> InfrastructureError:
    """What the kernel said of a hang while a filesystem was made and mounted."""
    if session.stall_watch.hung is not None:
        error.what = f"{session.stall_watch.hung}: {error.what}"
    return error


def _run_next(session: GuestSession) -> bool:
    """Run the next unit; returns whether the guest is good for more."""
    findings = session.findings
    unit = session.agenda.take()
    if given_up := findings.hangs.given_up(unit.of):
        findings.add_unrun(unit, given_up)
        return True
    try:
        if unit.rest is not None:
            return _name_rest(session, unit, unit.rest)
        session.ran.append(unit)
        with noting_marks(session, unit):
            return run_unit(session, unit)
    except OSError as error:
        findings.add_trouble([unit], not_kept(error, session.guest.spec.folder))
        return False
    except Exception as error:
        # It is not on the agenda any more: without a result nobody would miss it.
        findings.add_trouble([unit], as_lab_error(error))
        return False
    except BaseException:
        # An interrupt: a program that was begun has told what it had, the rest of one not yet.
        if unit.rest is not None:
            session.agenda.put_first([unit])
        raise


def _name_rest(session: GuestSession, unit: Unit, rest: Rest) -> bool:
    """Have the tests that a program's end left run next, or results that say why not.

    Returns:
        Whether the guest is good for more.
    """
    whole = replace(unit, rest=None)
    names: tuple[str, ...] = ()
    good = True
    if rest.listed:
        try:
            with session.stall_watch.looking(), may_interrupt():
                command = whole.listing(session.findings.job.pattern)
                names = list_tests(session.guest, whole.kind, command, rest.done) or ()
        except InfrastructureError as error:
            session.lost.append(error.what)
            good = False
    again = [*whole.singles(name for name in names if name not in rest.done)]
    session.agenda.put_first(replace(single, after=rest.why) for single in again)
    # What it planned and does not list is counted too.
    unlisted = rest.missing - len(again)
    if unlisted > 0:
        session.findings.add_unrun(replace(unit, rest=replace(rest, missing=unlisted)), rest.why)
    return good
