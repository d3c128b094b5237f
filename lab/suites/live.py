# SPDX-License-Identifier: GPL-2.0-only
"""A guest's console looked at while a command runs: what is told at once, and who hangs.

A kernel that stalls, or that an oops left half dead, is silent from then on: to wait for
the program's deadline shows nothing more.  What a busy host does to a guest must not look
like that, so a stall counts by what the guest did with the CPU time that it was given.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from lab.complaints import Complaint, Kind
from lab.process.waits import Times, busiest
from lab.suites.watch import Place, Watch

_TICK_S = 0.2
#: A report's lines come at once; one that is silent so long is whole, as far as it goes.
_WHOLE_S = 1.0
#: Before a stall is reported nothing happened for 20 s (soft lockups) to 21 (RCU).
_WINDOW_S = 20.0
#: A guest that had less of a CPU than that, and wanted more, need not have stalled by itself.
_STARVED = 0.1
_MOST_TOLD = 20

STALLS = frozenset(
    {Kind.RCU_STALL, Kind.SOFT_LOCKUP, Kind.HARD_LOCKUP, Kind.HUNG_TASK, Kind.WORKQUEUE}
)
_BROKEN = frozenset({Kind.OOPS, Kind.DOUBLE_FAULT, Kind.STACK, Kind.PANIC})


class Watched(Protocol):
    """What of a guest can be seen, and done to it, while a command runs in it."""

    def stop(self) -> None:
        """End the command."""

    def heard(self) -> int:
        """How much the command has printed."""

    def times(self) -> Mapping[int, Times]:
        """The CPU time of QEMU's threads."""


def is_broken(complaint: Complaint) -> bool:
    """Whether a kernel that says this is good for no other test."""
    died = complaint.kind is Kind.BUG and "kernel BUG" in complaint.title
    return complaint.fatal or died or complaint.kind in _BROKEN


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


class Live:
    """Looks at a guest's console while its commands run, in a thread of its own.

    Args:
        grace_s: Seconds of CPU time wanted and had that a guest may take to go on.
        tell: Is told what the kernel complains of, and during which test, as it comes.
    """

    def __init__(
        self, watch: Watch, guest: Watched, grace_s: float, tell: Callable[[str], None]
    ) -> None:
        self._watch = watch
        self._guest = guest
        self._grace_s = grace_s
        self._tell = tell
        self._host = _Host(guest)
        self._suspect: _Suspect | None = None
        self._told: set[tuple[str, str]] = set()
        self._weighed: set[tuple[int, Kind]] = set()
        self._grown = (0.0, -1)
        self.hung: Hung | None = None
        self.broken: Complaint | None = None

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
        if is_broken(complaint):
            self.broken = complaint
        if self._suspect is not None and self._suspect.complaint.offset == complaint.offset:
            # More lines of the same: its title may have become another.
            self._suspect = _Suspect(place, complaint, self._suspect.since, self._suspect.progress)
        key = (complaint.offset, complaint.kind)
        if key in self._weighed or not (complaint.kind in STALLS or is_broken(complaint)):
            return
        self._weighed.add(key)
        starved = self._host.starved() if complaint.kind in STALLS else ""
        if starved:
            self._watch.doubt(complaint, starved)
        elif self._suspect is None or is_broken(complaint):
            self._suspect = _Suspect(place, complaint, self._host.given, self._progress())

    def _progress(self) -> tuple[object, ...]:
        return (self._watch.place, self._guest.heard())

    def _out_of_grace(self) -> bool:
        suspect = self._suspect
        if suspect is None:
            return False
        if suspect.complaint.kind in STALLS and self._progress() != suspect.progress:
            self._suspect = None
            return False
        return self._host.given - suspect.since >= self._grace_s


class _Host:
    """What CPU time the host gives a guest: the clock that a grace goes by."""

    def __init__(self, guest: Watched) -> None:
        self._guest = guest
        self._last: tuple[float, Mapping[int, Times]] | None = None
        self._seen: deque[tuple[float, Times]] = deque()
        #: Seconds, without those in which the guest waited for a CPU.
        self.given = 0.0

    def begin(self) -> None:
        """Look from now on: what was before is nobody's trial."""
        self._last = None
        self._seen.clear()
        self.sample()

    def sample(self) -> float:
        """Look at the threads now; returns the time."""
        now, times = time.monotonic(), self._guest.times()
        if self._last is not None:
            spent = busiest(self._last[1], times)
            passed = now - self._last[0]
            self.given += max(0.0, passed - spent.waited)
            self._seen.append((now, spent))
            while self._seen and self._seen[0][0] < now - _WINDOW_S:
                self._seen.popleft()
        self._last = now, times
        return now

    def starved(self) -> str:
        """Why a stall may be the host's doing; "" when it is not."""
        ran = sum(spent.ran for _, spent in self._seen)
        waited = sum(spent.waited for _, spent in self._seen)
        if waited < _WINDOW_S / 2 or ran >= _STARVED * (ran + waited):
            return ""
        return f"in {ran + waited:.0f} s QEMU had a CPU for {ran:.1f} s"
