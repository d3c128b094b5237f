# SPDX-License-Identifier: GPL-2.0-only
"""Fails where a hot path takes more than its share of time when there is more to do.

Usage: growth.py [PATH...]   (all without a name; --list names them)

Each path does its work at two sizes.  The time may grow 1.5 times as fast as the size
at most; where it should not grow with it at all, the path says what it may.  Exit
status 1 names the paths that do not hold to that.

It is CPU time, of this process and of those it starts, the best of several rounds:
on a busy machine all of it takes longer, and none of it grows.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import Part, Row
from hot_paths import PATHS, Costs, HotPath, Work

#: Less than that is noise: the work is repeated until it takes as long.
_FLOOR_S = 0.03
_ROUNDS = 5
#: What misses its limit by little has more chances: a small size that fits into the CPU's
#: caches costs a third less than its share, and what else runs takes them from the large one.
_MOST_ROUNDS, _NEARLY = 15, 1.3
#: A small size that a moment's trouble made dear would hide what grows.
_SMALL_S = 0.05
#: The large size is stopped when it has taken that much more than it may.
_HOPELESS = 3.0
#: And whatever it may: none takes a second on a quiet machine but the console, with two.
_MOST_S = 15.0


class _TooSlow(Exception):
    """The large size would take so long that its exact time is of no interest."""


@dataclass
class _Meter:
    """The least that one size of a path took so far."""

    work: Work
    costs: Costs
    repeat: int = 1
    rounds: int = 0
    least: float = math.inf

    def round(self, limit_s: float = math.inf) -> None:
        """Do the work, as often as it takes to be measured."""
        measure = _peak_bytes if self.costs is Costs.MEMORY else _cpu_seconds
        used = measure(self.work, self.repeat, limit_s)
        if self.costs is Costs.CPU and self.least == math.inf and used < _FLOOR_S:
            self.repeat = math.ceil(_FLOOR_S / max(used, 1e-6))
            used = measure(self.work, self.repeat, limit_s)
        self.least = min(self.least, used / self.repeat)
        self.rounds += self.repeat


@dataclass
class _Growth:
    """What a path cost at both sizes."""

    path: HotPath
    small: float = math.inf
    large: float = math.inf
    stopped: bool = field(default=False)

    @property
    def factor(self) -> float:
        """By how much the cost grew."""
        return self.large / self.small

    @property
    def holds(self) -> bool:
        """Whether it is within what the path may."""
        return not self.stopped and self.factor <= self.path.limit

    def __str__(self) -> str:
        path, unit = self.path, "MB" if self.path.costs is Costs.MEMORY else "ms"
        scale = 1e-6 if path.costs is Costs.MEMORY else 1e3
        more = "more than " if self.stopped else ""
        word = "ok" if self.holds else "GROWS TOO FAST"
        return (
            f"{path.name:16} {path.small:,} / {path.large:,} {path.unit}: "
            f"{self.small * scale:.3g} / {more}{self.large * scale:.3g} {unit}, "
            f"{more}{self.factor:.1f} times as much (at most {path.limit:g}): {word}"
        )

    def row(self) -> Row:
        """The same for a table."""
        unit, scale = ("MB", 1e-6) if self.path.costs is Costs.MEMORY else ("ms", 1e3)
        more = "more than " if self.stopped else ""
        return Row(
            self.path.about,
            f"{self.small * scale:.3g} {unit}, {more}{self.large * scale:.3g} {unit}",
            f"{self.path.small:,}, {self.path.large:,} {self.path.unit}",
            f"{more}{self.factor:.1f}",
            f"at most {self.path.limit:g}",
            self.holds,
        )


def _used() -> float:
    """CPU time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _cpu_seconds(work: Work, repeat: int, limit_s: float) -> float:
    gc.collect()
    gc.disable()  # it looks at all there is again and again, whoever made it
    try:
        with _stopped_after(limit_s * repeat):
            begun = _used()
            for _ in range(repeat):
                work()
            return _used() - begun
    finally:
        gc.enable()


def _peak_bytes(work: Work, repeat: int, _limit: float) -> float:
    tracemalloc.start()
    try:
        work()
        return float(tracemalloc.get_traced_memory()[1] * repeat)
    finally:
        tracemalloc.stop()


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Raise _TooSlow when that much CPU time is used up."""

    def stop(*_: object) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, 0 if seconds == math.inf else seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def grow(path: HotPath, folder: Path) -> _Growth:
    """Measure a path, in rounds until it holds to its limit or has had its chances."""
    small, large = (
        _Meter(_prepared(path.make, folder / str(size), size), path.costs)
        for size in (path.small, path.large)
    )
    growth = _Growth(path)
    small.work()  # what is imported and cached at the first time is not the small size's
    for number in range(_MOST_ROUNDS):
        if number >= _ROUNDS and growth.factor > path.limit * _NEARLY:
            break
        small.round()
        while path.costs is Costs.CPU and small.least * small.rounds < _SMALL_S:
            small.round()
        limit_s = min(_MOST_S, max(0.2, small.least * path.limit * _HOPELESS))
        try:
            large.round(limit_s)
        except _TooSlow:
            return _Growth(path, small.least, max(limit_s, growth.large % math.inf), stopped=True)
        growth = _Growth(path, small.least, large.least)
        if growth.holds:
            break
    return growth


def _prepared(make: Callable[[int, Path], Work], folder: Path, size: int) -> Work:
    folder.mkdir()
    return make(size, folder)


def main() -> int:
    """Measure the paths named on the command line, or all."""
    if sys.argv[1:] == ["--list"]:
        print("\n".join(f"{path.name:16} {path.about}" for path in PATHS.values()))
        return 0
    unknown = [name for name in sys.argv[1:] if name not in PATHS]
    if unknown:
        print(f"growth: no path {', '.join(unknown)}; there are {', '.join(PATHS)}")
        return 2
    begun = time.monotonic()
    wrong = 0
    # One on each CPU: all share memory and caches with somebody at any rate.
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), fork) as pool:
        for line, holds in pool.map(_told, sys.argv[1:] or PATHS):
            wrong += not holds
            print(line, flush=True)
    print(f"growth: {wrong} too fast, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


def _row(name: str) -> Iterator[Row]:
    """A path's row, in a process of its own as on the command line."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        yield pool.submit(_measured, name).result()


def _measured(name: str) -> Row:
    with tempfile.TemporaryDirectory(prefix="lab-growth-", dir=_memory()) as folder:
        return grow(PATHS[name], Path(folder)).row()


#: For bench.py.
PARTS: dict[str, Part] = {name: partial(_row, name) for name in PATHS}


def _told(name: str) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory(prefix="lab-growth-", dir=_memory()) as folder:
        growth = grow(PATHS[name], Path(folder))
    return str(growth), growth.holds


def _memory() -> str | None:
    """A folder that is no disk, where there is one: what is written there is not measured."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
