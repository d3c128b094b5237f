# SPDX-License-Identifier: GPL-2.0-only
"""What of the cache is used, and by whom: so that ``lab gc`` frees nothing under a lab."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lab.errors import InfrastructureError
from lab.process.lock import take
from lab.process.scratch import write_whole

#: Marks of this process, held until its end.
_held: dict[Path, IO[str]] = {}


def note_use(folder: Path) -> None:
    """Note that something of the cache was used now: in its time stamp, and by this process."""
    with suppress(OSError):
        os.utime(folder)
    with suppress(OSError):
        for mark in _held.values():
            # A path of several lines would be several.
            mark.write(f"{json.dumps(str(folder))}\n")
            mark.flush()


def use_cache(cache: Path, project: Path | None = None) -> None:
    """Mark the cache as in use by this process until it ends, kill -9 included.

    What it notes as used from now on stays.  Waits for a ``lab gc`` that is at it.

    Args:
        project: The ``lab.toml`` it is used for: gc then knows what that needs.
    """
    if cache in _held:
        return
    users = _users(cache)
    with suppress(OSError):  # A cache that cannot be written cannot be emptied either.
        users.mkdir(parents=True, exist_ok=True)
        with (users / "gc").open("a") as gate:
            take(gate, users / "gc", shared=True, wait=True)
            path = users / f"{os.getpid()}-{secrets.token_hex(4)}"
            mark = path.open("a")
            # Children inherit no descriptor: the mark goes with this process.
            take(mark, path, wait=True)
            mark.write(f"{time.time()!r}\n")
            mark.flush()
            _held[cache] = mark
            # gc removes those of the killed.
            atexit.register(_unmark, path, os.getpid())
            if project is not None:
                _register(cache, project)


def projects_of(cache: Path) -> tuple[tuple[Path, Path], ...]:
    """The ``lab.toml`` of each project that used the cache, and the file that says so.

    One that is no more, or is no file that can be read, is forgotten.
    """
    found = []
    for note in sorted(_projects(cache).glob("[!.]*")):
        with suppress(OSError):
            toml = Path(os.fsdecode(note.read_bytes()))
            if toml.is_file():
                found.append((toml, note))
            else:
                note.unlink()
    return tuple(found)


def _register(cache: Path, project: Path) -> None:
    path = os.fsencode(project)
    note = _projects(cache) / hashlib.sha256(path).hexdigest()[:24]
    if not note.exists():
        write_whole(note, path)


@contextmanager
def sole_user(cache: Path) -> Iterator[float | None]:
    """Keep other labs from beginning; gives when the oldest that runs began, or None.

    The time is as ``st_mtime`` has it.

    Raises:
        InfrastructureError: The cache cannot be written, or its filesystem has no locks.
    """
    users = _users(cache)
    try:
        users.mkdir(parents=True, exist_ok=True)
        gate = (users / "gc").open("a")
    except OSError as error:
        raise InfrastructureError(
            f"the cache cannot be written, so that nothing of it can be freed: {error.strerror}",
            where=cache,
            hint="lab gc as the user whose cache it is, or another paths.cache",
        ) from error
    with gate:
        take(gate, users / "gc", wait=True)
        yield min(_began(users), default=None)


def used_now(cache: Path) -> frozenset[Path]:
    """What labs that run noted as used, whatever the clock said; for a sole_user() block."""
    found: set[Path] = set()
    for mark in _users(cache).iterdir():
        with suppress(OSError, ValueError, TypeError):
            # The first says when it began.
            found.update(Path(json.loads(line)) for line in mark.read_text().splitlines()[1:])
    return frozenset(found)


def _unmark(path: Path, pid: int) -> None:
    if os.getpid() == pid:
        with suppress(OSError):
            path.unlink()


def _began(users: Path) -> Iterator[float]:
    for mark in list(users.iterdir()):
        if mark.name != "gc":
            with suppress(FileNotFoundError), mark.open() as handle:
                if not take(handle, mark):
                    yield _first_number(mark) or mark.stat().st_mtime
                    continue
                mark.unlink()


def _first_number(mark: Path) -> float | None:
    """When it began; None where a lab of before made it."""
    with suppress(OSError, ValueError, IndexError):
        return float(mark.read_text().splitlines()[0])
    return None


def _users(cache: Path) -> Path:
    return cache / ".users"


def _projects(cache: Path) -> Path:
    return cache / ".projects"
