# SPDX-License-Identifier: GPL-2.0-only
"""Locks between processes: flock(2), gone with the process that held it."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.errors import InfrastructureError

_POLL_S = 0.1
#: What a filesystem without locks says, NFS without its lock daemon among them.
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def take(file: IO[str] | int, path: Path, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file; gives whether it is held: a lock that others hold is not waited for.

    Args:
        path: What to call it.
        wait: Wait for it.

    Raises:
        InfrastructureError: Its filesystem has no locks.
    """
    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, operation if wait else operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise without_locks(path) from error
        raise
    return True


def without_locks(path: Path) -> InfrastructureError:
    """Two labs at one file would each undo what the other does."""
    return InfrastructureError(
        "this filesystem has no locks, and the lab takes turns by them",
        where=path,
        hint="a local disk for it: paths.cache and paths.results in lab.local.toml",
    )


@contextmanager
def locked(
    path: Path,
    waiting: Callable[[str], None] | None = None,
    left: Callable[[], float] | None = None,
) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (made when missing, never removed).

    Args:
        waiting: Called once when somebody else holds it, with the number of that process.
        left: Seconds that are left to wait; raises when there are none.

    Raises:
        InfrastructureError: Its filesystem has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        if not take(handle, path):
            if waiting is not None:
                handle.seek(0)
                waiting(handle.read().strip())
            _wait(handle, path, left)
        os.ftruncate(handle.fileno(), 0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def _wait(handle: IO[str], path: Path, left: Callable[[], float] | None) -> None:
    if left is None:
        take(handle, path, wait=True)
        return
    while not take(handle, path):
        time.sleep(min(_POLL_S, left()))


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock if nobody does; gives whether it is held."""
    with path.open("a+") as file:
        yield take(file, path)
