# SPDX-License-Identifier: GPL-2.0-only
"""How far a run is, from what it has recorded and what its guests have left so far."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.model.planned import Planned
from lab.report.site.page_names import count
from lab.results.folder import RunFolder
from lab.results.hosts import Doing, read_hosts
from lab.results.store import RunSummary
from lab.results.under_way import being_built
from lab.text import plain

#: A run that was killed stays unfinished for ever: one of another host that is silent so long
#: is dead.
_SILENT_S = 900
_TAIL = 4096
_LONGEST = 120
#: So many hosts are told of.
_MOST = 16


@dataclass(frozen=True)
class Progress:
    """``text`` is for people, "" when nothing goes on; ``done`` of ``total`` suites have ended."""

    text: str = ""
    done: int = 0
    total: int = 0


def progress(run: RunSummary, folder: Path) -> Progress:
    """What a run has done, if it goes on."""
    logs = list(folder.glob("jobs/*/console.log"))
    last = max(logs, key=_changed, default=None)
    hosts = RunFolder(folder.parent, folder.name).hosts
    newest = max(_changed(last or folder), _changed(hosts))
    if run.run.finished is not None or not _is_alive(run, folder, newest):
        return Progress()
    planned = run.run.planned
    away = read_hosts(hosts)
    done = _ended(planned, RunFolder(folder.parent, folder.name)) if planned else 0
    done += sum(each.suites for each in away)
    total = planned.suite_runs if planned else 0
    results = sum(number for _, number in run.counts)
    words = [
        f"{run.run.id} goes on: {done} of {total} suites" if total else f"{run.run.id} goes on",
        f"{count(run.jobs, 'kernel')} recorded, {count(results, 'result')}",
        f"{run.unexpected} not as expected",
    ]
    words += _told(away)
    if last is not None and not away:
        words.append(f"{last.parent.name}: {_last_line(last)}")
    return Progress(plain(", ".join(words)), min(done, total), total)


def _is_alive(run: RunSummary, folder: Path, newest: float) -> bool:
    """Whether anybody is at it; of another host's run the lock is not seen here.

    Args:
        newest: When it last left anything.
    """
    if run.run.host.name == platform.node():
        return RunFolder(folder.parent, folder.name).is_running()
    return time.time() - newest < _SILENT_S


def before_a_run(results: Path) -> Progress:
    """What is built for a run that is to come, if anything is."""
    rows = being_built(results)
    words = ["Building for the next run", *_told(rows)]
    return Progress(plain(", ".join(words))) if rows else Progress()


def _told(rows: Sequence[Doing]) -> Iterator[str]:
    for each in rows[:_MOST]:
        yield f"{each.host}: {each.what}: {each.said[:_LONGEST]}"
    if len(rows) > _MOST:
        yield f"and {len(rows) - _MOST} more"


def _ended(planned: Planned, folder: RunFolder) -> int:
    """How many suites have left anything: each program leaves a file, and so may each test."""
    found = {
        (number, filesystem, suite)
        for number, job in enumerate(planned.jobs)
        for filesystem in job.used_filesystems
        for path in (folder.job(number, job.variant).path / filesystem).glob("*.ktap")
        if (suite := job.suite_of(path.name))
    }
    return len(found)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    said = (line.strip() for line in reversed(lines) if line.strip())
    return next(said, "")[:_LONGEST]
