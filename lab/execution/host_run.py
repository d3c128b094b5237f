# SPDX-License-Identifier: GPL-2.0-only
"""A test that runs on this host and asks a guest: run as a guest's own programs are."""

from __future__ import annotations

from lab.errors import InfrastructureError
from lab.execution.guest_session import GuestSession
from lab.execution.program_end import ProgramEnd, hung
from lab.execution.unit import Unit
from lab.filesystems.mounts import read as read_moved
from lab.filesystems.mounts import say_if_moved
from lab.guest.command import CommandTimeout
from lab.guest.guest import GuestDied
from lab.model.log_mark import ends, host_test_begins
from lab.suites.judge import Ended
from lab.suites.on_host import HostEnd, OnHost, Place


def run_on_host(session: GuestSession, unit: Unit, kind: OnHost) -> ProgramEnd:
    """Run a test; whatever becomes of it and its guest, that is its end."""
    findings, guest = session.findings, session.guest
    deadline_s, key = unit.deadline(findings.job.program_s)
    filesystem = unit.filesystem
    place = Place(
        findings.job.variant,
        findings.job.release,
        filesystem.name,
        filesystem.mount_point,
        tuple(
            (name, tuple(said.items()))
            for name, said in findings.proofs.get(filesystem.name, {}).items()
        ),
    )
    try:
        with session.stall_watch.looking():
            guest.run(host_test_begins(filesystem.name, unit.suite, unit.program, unit.test or ""))
            played = findings.host.of(kind).play(
                unit.program, unit.test or "", guest, place, deadline_s
            )
            moved = None if played.trouble else _ended(session, unit)
    except CommandTimeout:
        return hung(guest, session.stall_watch, "", f"{key} is {deadline_s:g} s")
    except GuestDied as error:
        return _died("", error)
    if session.stall_watch.hung is not None or isinstance(played.trouble, CommandTimeout):
        return hung(guest, session.stall_watch, played.output, f"{key} is {deadline_s:g} s")
    return _end(played, moved)


def _ended(session: GuestSession, unit: Unit) -> str | None:
    """Have the log say that the test is over; gives what is mounted if that is not what was."""
    filesystem = unit.filesystem
    proved = session.mounted.get(filesystem.name)
    then = "true"
    if proved is not None:
        then = say_if_moved(filesystem.device, filesystem.mount_point, proved)
    over = ends(filesystem.name, unit.suite, unit.program)
    return read_moved(session.guest.run(f"{over}; {then}").stderr)[1]


def _end(played: HostEnd, moved: str | None) -> ProgramEnd:
    trouble = played.trouble
    if isinstance(trouble, GuestDied):
        return _died(played.output, trouble)
    if isinstance(trouble, InfrastructureError):
        return ProgramEnd(played.output, None, Ended.EXITED, trouble.what)
    if trouble is not None:
        # What of a test's own is at fault says nothing of the guest, which is asked nothing more.
        return ProgramEnd(played.output, played.status, Ended.EXITED, trouble.what)
    return ProgramEnd(played.output, played.status, Ended.EXITED, "", good=True, moved=moved)


def _died(output: str, error: GuestDied) -> ProgramEnd:
    # Without a dead kernel it is an error of ours.
    ended = Ended.GUEST_DIED if error.kernel else Ended.EXITED
    return ProgramEnd(output, None, ended, error.what)


def tests_of(unit: Unit, kind: OnHost, variant: str, pattern: str) -> list[Unit]:
    """A unit for each test of a program that runs on its filesystem.

    Raises:
        LabError: The program is at fault, or cannot be asked.
    """
    with kind.players() as players:
        names = players.tests(unit.program, variant, unit.filesystem.name, pattern)
    return list(unit.singles(names))
