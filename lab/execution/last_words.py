# SPDX-License-Identifier: GPL-2.0-only
"""What a guest does last: it unmounts, and gives its kernel log.

Unmounting is when a filesystem finds what was left in use.
"""

from __future__ import annotations

from lab.errors import LabError
from lab.execution.guest_session import GuestSession
from lab.filesystems.pmem import DEVICE
from lab.filesystems.unmount import last_words, read_left
from lab.guest.command import CommandTimeout
from lab.guest.guest import GuestDied, Hang
from lab.model.complaint import Complaint, Kind
from lab.model.job_error import JobError
from lab.model.records import PlacedComplaint
from lab.results.folder import KERNEL_LOG

HUNG_AT_END = "the guest hung while its filesystems were unmounted"


def keep_kernel_log(session: GuestSession) -> str:
    """Unmount what was mounted, wait for late complaints, and keep the log; returns it."""
    guest, settle_s = session.guest, session.findings.job.settle_s
    # A guest that hangs is not waited for: the console says nearly the same.
    if session.stall_watch.hung or not guest.alive() or not guest.answers:
        return ""
    deadline_s = guest.spec.command_s + settle_s
    try:
        done = guest.run(last_words(DEVICE, settle_s), deadline_s)
    except LabError as error:
        if not session.lost and not session.stall_watch.broken:
            _note_last_hang(session, error, deadline_s)
        return ""
    if left := read_left(done.stderr):
        session.findings.note_left(guest, left)
    log = done.stdout
    (guest.spec.folder / KERNEL_LOG).write_text(log, encoding="utf-8", errors="replace")
    return log


def _note_last_hang(session: GuestSession, error: LabError, deadline_s: float) -> None:
    """A guest in which all went well, and that then did not give its log: no pass is the end of it.

    One that died is told by whoever looks at its console.
    """
    findings, guest = session.findings, session.guest
    if guest.gone() or (isinstance(error, GuestDied) and error.kernel):
        return
    who, said = Hang.QEMU, error.what
    if isinstance(error, CommandTimeout):
        who, said = guest.examine()
    if who is Hang.QEMU:
        findings.error = JobError(f"the kernel's log could not be had: {said}")
        return
    # What its console said last goes with it.
    last = guest.console.tail().splitlines()
    lines = (f"it was not done in {deadline_s:g} s; {said}", *last)
    complaint = Complaint(Kind.HANG, HUNG_AT_END, lines, headline=f"{HUNG_AT_END}: {lines[0]}")
    findings.note((PlacedComplaint(complaint),))
    findings.tell(HUNG_AT_END)
