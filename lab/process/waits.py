# SPDX-License-Identifier: GPL-2.0-only
"""How long a child's threads ran, and waited for a CPU: what a busy host takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


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
