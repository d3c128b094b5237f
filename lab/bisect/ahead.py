# SPDX-License-Identifier: GPL-2.0-only
"""Builds that are likely to be wanted, made while a guest runs: they decide nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lab.bisect.point import Point

#: As long as what is left of one file's build may take on a host with nothing else to do.
_PATIENCE_S = 5.0
#: And where nobody competes with it, whoever builds in earnest would be no sooner.
_MOST_S, _LOOK_S, _LOOKS = 120.0, 0.5, 3
#: Says whether to give up.
Stopped = Callable[[], bool]
#: Builds a point, or gives up.
Make = Callable[[Point, Stopped], object]
#: Brings what a point is built from.
Bring = Callable[[Point], object]


class Ahead:
    """One build after the other, in a thread, until somebody wants another.

    A build that fails here is made again by whoever wants it, and says there why.

    Args:
        make: Builds a point, and may raise anything.
        bring: Is called for all of them before any is built, and may raise anything as well.
    """

    def __init__(self, make: Make, bring: Bring = lambda _: None) -> None:
        self._make, self._bring = make, bring
        self._work: _Work | None = None

    def begin(self, points: Sequence[Point]) -> None:
        """Build these, the likeliest first; what was under way for others is stopped."""
        if self._work is not None and self._work.points == tuple(points):
            return
        self.end()
        if points:
            self._work = _Work(self._make, self._bring, points)

    def give_way(self, point: Point) -> None:
        """Let somebody else build a point: stops all else, and that if it takes its time.

        What is built ahead has what others leave, which may be little: then who builds it in
        earnest goes on where it is stopped.
        """
        work, self._work = self._work, None
        if work is not None:
            work.stop(but=point)

    def end(self) -> None:
        """Stop what is under way, and wait until it has stopped."""
        work, self._work = self._work, None
        if work is not None:
            work.stop()


def is_contended() -> bool:
    """Whether more wants to run on this host than a build, with a process for each CPU, and who
    waits for it: proc_loadavg(5)."""
    with suppress(OSError, ValueError):
        runnable = Path("/proc/loadavg").read_text().split()[3].partition("/")[0]
        return int(runnable) > (os.cpu_count() or 1) + 1
    return True


class _Work:
    def __init__(self, make: Make, bring: Bring, points: Sequence[Point]) -> None:
        self._make, self._bring = make, bring
        self.points = tuple(points)
        self._now: Point | None = None
        self._kept: Point | None = None
        self._stopped = False
        self._lock = threading.Lock()
        # A daemon: one that waits for a lock or a download ends with the process.
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def stop(self, but: Point | None = None) -> None:
        with self._lock:
            self._stopped, self._kept = True, but
        try:
            if but is not None:
                self._wait()
        finally:
            # Ctrl-C while it is waited for, too: else make would outlive the lab.
            self._kept = None
            self._thread.join()

    def _wait(self) -> None:
        """Until all has ended, or others are in its way."""
        self._thread.join(_PATIENCE_S)
        deadline, looks = time.monotonic() + _MOST_S, _LOOKS
        while looks and self._thread.is_alive() and time.monotonic() < deadline:
            # One look finds now and then what is there for a moment.
            looks = looks - 1 if is_contended() else _LOOKS
            self._thread.join(_LOOK_S)

    def _run(self) -> None:
        # What is brought is of use even where time is too short to build anything.
        for point in self.points:
            if self._stopped:
                return
            with suppress(Exception):
                self._bring(point)
        for point in self.points:
            with self._lock:
                if self._stopped:
                    return
                self._now = point
            with suppress(Exception):
                self._make(point, self._is_over)

    def _is_over(self) -> bool:
        """Whether what is under way is to be given up."""
        return self._stopped and self._now != self._kept
