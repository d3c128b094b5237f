# SPDX-License-Identifier: GPL-2.0-only
"""How long a child's threads ran, and waited for a CPU: what a busy host takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
#: Before a stall is reported nothing happened for 20 s (soft lockups) to 21 (RCU).
_WINDOW_S = 20.0
#: A guest that waited for a CPU for so much of it need not have stalled by itself: the kernel
#: counts its own time (rcu_cpu_stall_timeout, watchdog_thresh), and not what it was given.  With
#: two virtual CPUs more is lost than is seen: who waits for a lock of QEMU's sleeps, and who
#: holds it may be the one that waits for a CPU.
_STARVED = 0.25
#: A program that waited for a CPU for so much of its time might have ended in the rest of it.
_LATE_BY_HOST = 0.5


@dataclass(frozen=True)
class Times:
    """Seconds that a thread was on a CPU, and that it was ready and had none."""

    ran: float
    waited: float

    def since(self, before: Times) -> Times:
        """What came after ``before``."""
        return Times(self.ran - before.ran, self.waited - before.waited)


def child_of(parent: int) -> int | None:
    """A process whose parent is ``parent``; None if there is none.

    By each one's status: ``/proc/PID/task/TID/children`` takes CONFIG_PROC_CHILDREN.
    """
    for path in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # proc(5): "PID (NAME) STATE PPID ...", and a name may hold anything.
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                return int(path.parent.name)
    return None


def thread_times(pid: int) -> dict[int, Times]:
    """What each thread of a process had so far, by its id.

    Empty where the process is gone, or the kernel does not say (CONFIG_SCHED_INFO).
    """
    return dict(_times(_PROC / str(pid) / "task"))


def _times(tasks: Path) -> Iterator[tuple[int, Times]]:
    with suppress(OSError):
        for task in tasks.iterdir():
            with suppress(OSError, ValueError, IndexError):
                # Documentation/scheduler/sched-stats.rst: ns on a CPU, ns waiting, slices.
                ran, waited, _ = map(int, (task / "schedstat").read_text().split())
                yield int(task.name), Times(ran / 1e9, waited / 1e9)


def busiest(before: Mapping[int, Times], after: Mapping[int, Times]) -> Times:
    """What the thread that wanted a CPU most had between two looks."""
    none = Times(0.0, 0.0)
    spent = (times.since(before.get(tid, none)) for tid, times in after.items())
    return max(spent, key=lambda times: times.ran + times.waited, default=none)


class Given:
    """What CPU time the host gives a guest: the clock that a grace goes by.

    Args:
        times: The CPU time of its threads so far.
    """

    def __init__(self, times: Callable[[], Mapping[int, Times]]) -> None:
        self._times = times
        self._last: tuple[float, Mapping[int, Times]] | None = None
        self._seen: deque[tuple[float, Times]] = deque()
        #: Seconds, without those in which the guest waited for a CPU.
        self.given = 0.0
        self._passed = self._waited = 0.0

    def begin(self) -> None:
        """Look from now on: what was before is nobody's trial."""
        self._last = None
        self._seen.clear()
        self._passed = self._waited = 0.0
        self.sample()

    def sample(self) -> float:
        """Look at the threads now; returns the time."""
        now, times = time.monotonic(), self._times()
        if self._last is not None:
            spent = busiest(self._last[1], times)
            passed = now - self._last[0]
            self.given += max(0.0, passed - spent.waited)
            self._passed += passed
            self._waited += spent.waited
            self._seen.append((now, spent))
            while self._seen and self._seen[0][0] < now - _WINDOW_S:
                self._seen.popleft()
        self._last = now, times
        return now

    def late(self) -> str:
        """Why what has not ended since begin() may be the host's doing; "" when it is not."""
        if self._waited < _LATE_BY_HOST * self._passed:
            return ""
        return f"of {self._passed:.0f} s QEMU waited {self._waited:.0f} s for a CPU"

    def starved(self) -> str:
        """Why a stall may be the host's doing; "" when it is not."""
        waited = sum(spent.waited for _, spent in self._seen)
        if waited < _STARVED * _WINDOW_S:
            return ""
        return f"of the last {_WINDOW_S:.0f} s QEMU waited {waited:.0f} s for a CPU"
