# SPDX-License-Identifier: GPL-2.0-only
"""A program run in a guest, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.execution.stall_watch import StallWatch
from lab.filesystems.mounts import read as read_moved
from lab.guest.command import CommandFlood, CommandTimeout
from lab.guest.guest import Guest, GuestDied, Hang
from lab.guest.settings import read as read_changed
from lab.model.complaint import Complaint
from lab.suites.judge import Ended

_MOST_SAID = 200


@dataclass(frozen=True)
class ProgramEnd:
    """How a program ended, and whether its guest is good for more.

    ``hang`` is who did not go on, where somebody did not; ``complaint`` what the kernel
    said of that.  ``moved`` is what is mounted, where that is not what was proved;
    ``changed`` what else it left otherwise than it found it.  ``took_s`` is what it took by the
    guest's clock, where that is known.
    """

    output: str
    status: int | None
    ended: Ended
    message: str
    good: bool = False
    hang: Hang | None = None
    complaint: Complaint | None = None
    moved: str | None = None
    changed: str | None = None
    took_s: float | None = None

    @property
    def left_as_found(self) -> bool:
        """Whether what runs next in its guest finds what this program found."""
        return self.good and self.moved is None and self.changed is None


def run_program(
    guest: Guest,
    stall_watch: StallWatch,
    command: str,
    deadline_s: float,
    key: str = "deadlines.program",
    then: str | None = None,
) -> ProgramEnd:
    """Run a program; whatever becomes of it and its guest, that is its end.

    Args:
        key: Of ``lab.toml``, that says how long it may run.
        then: The command of the program that runs next there, if that is known; see Guest.run().
    """
    try:
        with stall_watch.looking():
            done = guest.run(command, deadline_s, then)
    except CommandTimeout as error:
        return hung(guest, stall_watch, error.stdout, f"{key} is {deadline_s:g} s")
    except CommandFlood as error:
        return ProgramEnd(error.stdout, None, Ended.EXITED, error.what)
    except GuestDied as error:
        # Without an exit status and without a dead kernel it is an error of ours.
        ended = Ended.GUEST_DIED if error.kernel else Ended.EXITED
        return ProgramEnd(error.stdout, None, ended, error.what)
    said, moved = read_moved(done.stderr)
    said, changed = read_changed(said)
    first = _first_line(said)
    end = ProgramEnd(done.stdout, done.status, Ended.EXITED, first, good=True)
    return replace(end, moved=moved, changed=changed, took_s=done.duration_s)


def hung(guest: Guest, stall_watch: StallWatch, output: str, deadline: str) -> ProgramEnd:
    """The end of a program that its deadline ended, or what the kernel said of it."""
    hung = stall_watch.hung
    who, said = guest.examine()
    if hung is not None:
        stalls = hung.complaint.stalls
        ended = Ended.STALLED if stalls else Ended.GUEST_DIED
        hang = Hang.GUEST if stalls else None
        message = f"{hung}; {said}"
        return ProgramEnd(output, None, ended, message, hang=hang, complaint=hung.complaint)
    message = f"{deadline}; {said}"
    if who is Hang.QEMU:
        # QEMU that hangs is no fault of the kernel's.
        return ProgramEnd(output, None, Ended.EXITED, message)
    if stall_watch.late:
        # Nor is a host that gives it no CPU: another time the same program comes to its end.
        busy = f"the host was too busy to tell: {stall_watch.late}"
        return ProgramEnd(output, None, Ended.EXITED, f"{busy}; {message}")
    return ProgramEnd(output, None, Ended.TIMEOUT, message, hang=who)


def _first_line(text: str) -> str:
    """What a program says first on stderr; it may say megabytes."""
    said = text.strip().splitlines()
    return said[0][:_MOST_SAID] if said else ""
