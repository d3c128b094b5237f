# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of this process and what it starts, of which getrusage(2) sees a part.

A child of the lab's is the keeper's, whose own end nobody waits for (keeper.py): what it took,
those who end it look up before.
"""

from __future__ import annotations

import os
import resource
import threading
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
#: utime and stime (proc(5)), counted from what comes after the name.
_UTIME, _STIME = 11, 12


class _Kept:
    """Seconds that were told, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Add some more."""
        with self._lock:
            self.total_s += seconds


_CHILDREN = _Kept()


def cpu_of(pid: int) -> float:
    """Seconds of CPU time that a process had so far, all of its threads; 0 where it is gone."""
    with suppress(OSError, ValueError, IndexError):
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def note_child(seconds: float) -> None:
    """What a child had that ends now."""
    _CHILDREN.add(seconds)


def spent_s() -> float:
    """Seconds of CPU time of this process, of children that it waited for, and of those noted."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used) + _CHILDREN.total_s
