# SPDX-License-Identifier: GPL-2.0-only
"""What of the cache is used, and by whom: so that ``lab gc`` frees nothing under a lab."""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lab.process.scratch import write_whole

#: Marks of this process, held until its end.
_held: dict[Path, IO[str]] = {}


def note_use(folder: Path) -> None:
    """Note that something of the cache was used now; its time stamp says so."""
    with suppress(OSError):
        os.utime(folder)


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
            fcntl.flock(gate, fcntl.LOCK_SH)
            path = users / f"{os.getpid()}-{secrets.token_hex(4)}"
            mark = path.open("a")
            # Children inherit no descriptor: the mark goes with this process.
            fcntl.flock(mark, fcntl.LOCK_EX)
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
    """
    users = _users(cache)
    users.mkdir(parents=True, exist_ok=True)
    with (users / "gc").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield min(_began(users), default=None)


def _unmark(path: Path, pid: int) -> None:
    if os.getpid() == pid:
        with suppress(OSError):
            path.unlink()


def _began(users: Path) -> Iterator[float]:
    for mark in list(users.iterdir()):
        if mark.name != "gc":
            with suppress(FileNotFoundError), mark.open() as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield mark.stat().st_mtime
                    continue
                mark.unlink()


def _users(cache: Path) -> Path:
    return cache / ".users"


def _projects(cache: Path) -> Path:
    return cache / ".projects"
