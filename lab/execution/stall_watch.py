# SPDX-License-Identifier: GPL-2.0-only
"""A guest's console looked at while a command runs: what is told at once, and who hangs.

A kernel that stalls, or that an oops left half dead, is silent from then on: to wait for
the program's deadline shows nothing more.  What a busy host does to a guest must not look
like that, so a stall counts by what the guest did with the CPU time that it was given.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from lab.execution.complaint_watch import ComplaintWatch, Place
from lab.model.complaint import Complaint, Kind
from lab.process.cpu_waits import Given, Times

_TICK_S = 0.2
#: A report's lines come at once; one that is silent so long is whole, as far as it goes.
_WHOLE_S = 1.0
_MOST_TOLD = 20


class Watched(Protocol):
    """What of a guest can be seen, and done to it, while a command runs in it."""

    def stop(self) -> None:
        """End the command."""

    def heard(self) -> int:
        """How much the command has printed."""

    def times(self) -> Mapping[int, Times]:
        """The CPU time of QEMU's threads."""


@dataclass(frozen=True)
class Hung:
    """What a guest was ended for: ``grace_s`` after the complaint it had not gone on."""

    place: Place
    complaint: Complaint
    grace_s: float

    def __str__(self) -> str:
        return (
            f"{self.complaint.title}: did not go on within deadlines.stall ({self.grace_s:g} s), "
            "and was ended"
        )


@dataclass(frozen=True)
class _Suspect:
    place: Place
    complaint: Complaint
    since: float
    progress: tuple[object, ...]


class StallWatch:
    """Looks at a guest's console while its commands run, in a thread of its own.

    Args:
        grace_s: Seconds of CPU time wanted and had that a guest may take to go on.
        tell: Is told what the kernel complains of, and during which test, as it comes.
    """

    def __init__(
        self, watch: ComplaintWatch, guest: Watched, grace_s: float, tell: Callable[[str], None]
    ) -> None:
        self._watch = watch
        self._guest = guest
        self._grace_s = grace_s
        self._tell = tell
        self._host = Given(guest.times)
        self._suspect: _Suspect | None = None
        self._told: set[tuple[str, str]] = set()
        self._weighed: set[tuple[int, Kind]] = set()
        self._grown = (0.0, -1)
        self.hung: Hung | None = None
        self._unsound: int | None = None
        self._broken: int | None = None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """While a command runs; the watch is this thread's meanwhile."""
        self._host.begin()
        over = threading.Event()
        thread = threading.Thread(target=self._until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._look(whole=True)

    def _until(self, over: threading.Event) -> None:
        while not over.wait(_TICK_S):
            self._look()
            if self.hung is None and self._out_of_grace():
                assert self._suspect is not None
                place, complaint = self._suspect.place, self._suspect.complaint
                self.hung = Hung(place, complaint, self._grace_s)
                self._guest.stop()

    def _look(self, *, whole: bool = False) -> None:
        """Read on; what is whole is told."""
        now = self._host.sample()
        read = self._watch.look()
        if read != self._grown[1]:
            self._grown = (now, read)
        whole = whole or time.monotonic() - self._grown[0] > _WHOLE_S
        for place, complaint in self._watch.untold():
            self._weigh(place, complaint)
            if whole or not complaint.cut:
                self._say(place, complaint)

    @property
    def sound(self) -> bool:
        """Whether the kernel is whole, and would complain of the next program as of the first.

        What a program did that has begun already, and was not asked for its end yet, is its own:
        that is to be told first.
        """
        return self._unsound is None or self._unsound > self._watch.ended

    @property
    def broken(self) -> bool:
        """Whether the kernel is known to be half dead."""
        return self._broken is not None and self._broken <= self._watch.ended

    @property
    def late(self) -> str:
        """Why it may be the host's doing that a command still runs; "" when it is not."""
        return self._host.late()

    def _say(self, place: Place, complaint: Complaint) -> None:
        where = place.test or place.program
        if (where, complaint.title) in self._told or self._watch.is_benign(complaint):
            return
        self._told.add((where, complaint.title))
        if len(self._told) <= _MOST_TOLD:
            self._tell(": ".join(filter(None, (where, complaint.title))))

    def _weigh(self, place: Place, complaint: Complaint) -> None:
        """Whether the guest is on trial for this from now on."""
        if self._watch.is_benign(complaint):
            return
        # Of much the kernel tells the first alone: WARN_ONCE(), KASAN (b0845ce58379), lockdep
        # (debug_locks_off()).
        if (complaint.breaks or place.program) and self._unsound is None:
            self._unsound = place.number
        if complaint.breaks and self._broken is None:
            self._broken = place.number
        if self._suspect is not None and self._suspect.complaint.offset == complaint.offset:
            # More lines of the same: its title may have become another.
            self._suspect = _Suspect(place, complaint, self._suspect.since, self._suspect.progress)
        key = (complaint.offset, complaint.kind)
        if key in self._weighed or not (complaint.stalls or complaint.breaks):
            return
        self._weighed.add(key)
        starved = self._host.starved() if complaint.stalls else ""
        if starved:
            self._watch.doubt(complaint, starved)
        elif self._suspect is None or complaint.breaks:
            self._suspect = _Suspect(place, complaint, self._host.given, self._progress())

    def _progress(self) -> tuple[object, ...]:
        return (self._watch.place, self._guest.heard())

    def _out_of_grace(self) -> bool:
        suspect = self._suspect
        if suspect is None:
            return False
        if suspect.complaint.stalls and self._progress() != suspect.progress:
            self._suspect = None
            return False
        return self._host.given - suspect.since >= self._grace_s
