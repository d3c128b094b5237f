# SPDX-License-Identifier: GPL-2.0-only
"""flock(2), and filesystems that have none."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import IO

from lab.errors import InfrastructureError

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
