# SPDX-License-Identifier: GPL-2.0-only
"""Folders for a moment, in the folder for such things; what a killed lab left goes.

One is its maker's for as long as that holds a lock on it, and the kernel lets go of that
when the maker dies: whoever can take the lock knows that nobody uses the folder, whatever
the clock says and whoever has that process id now.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from lab.errors import InfrastructureError
from lab.process.lock import take
from lab.process.removal import remove_tree

_PREFIX = "lab-tmp-"


@contextmanager
def temporary_folder(what: str) -> Iterator[Path]:
    """A folder ``lab-tmp-WHAT-XXXXXXXX``, gone when the block ends.

    Raises:
        OSError: It cannot be made.
    """
    _sweep_once()
    folder, descriptor = owned_folder(lambda: Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{what}-")))
    try:
        yield folder
    finally:
        remove_tree(folder)
        os.close(descriptor)


def left_behind() -> Iterator[Path]:
    """Folders of this user's whose makers are dead."""
    return without_owner(sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")))


def without_owner(folders: Iterable[Path]) -> Iterator[Path]:
    """Those of this user's that nobody holds the lock of; it is held here meanwhile."""
    for folder in folders:
        with suppress(OSError, InfrastructureError):  # Without locks nobody can tell.
            descriptor = open_folder(folder)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and take(descriptor, folder):
                    yield folder
            finally:
                os.close(descriptor)


def owned_folder(make: Callable[[], Path]) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock until it is closed."""
    while True:
        folder = make()
        descriptor = open_folder(folder)
        # Another lab may have taken it for one that was left behind before it had its lock.
        try:
            if take(descriptor, folder) and folder.is_dir():
                return folder, descriptor
        except InfrastructureError:
            # Nobody takes it away, then, and nobody cleans up after a kill.
            return folder, descriptor
        os.close(descriptor)


def open_folder(folder: Path) -> int:
    """A descriptor to lock a folder by; raises OSError for what is none, a link among it."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


@cache
def _sweep_once() -> None:
    for folder in left_behind():
        # Its lock is held here while it goes.
        remove_tree(folder)
