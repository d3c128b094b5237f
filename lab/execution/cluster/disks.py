# SPDX-License-Identifier: GPL-2.0-only
"""Room on a worker's disks: before a job, and while it runs."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from lab.errors import InfrastructureError
from lab.execution.cluster.parcel import free_of
from lab.model.records import JobRecord
from lab.model.status import Status

#: Bytes without which no job begins: a guest's state alone takes 100 MB.
_ROOM = 512 << 20
#: With less a job may have lost a part of its console, and with it what the kernel complained of.
_FULL = 4 << 20


def require_room(cache: Path) -> None:
    """Raise InfrastructureError where a disk has none."""
    free = free_of(cache)
    if free < _ROOM:
        raise InfrastructureError(
            f"its disk is full: {free / (1 << 20):.0f} MiB are free for {cache}",
            hint="lab gc there, or another disk as paths.cache in its lab.local.toml",
        )


class Disks:
    """Those that a job writes to, as long as it runs."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._full: Path | None = None

    def look(self) -> None:
        """Note whether one is full now: whatever filled it may be gone later."""
        for folder in self._folders:
            with suppress(OSError):
                if free_of(folder) < _FULL:
                    self._full = folder

    def filled(self, record: JobRecord) -> InfrastructureError | None:
        """What is said of a host one of whose disks was full under a job; None if none was."""
        self.look()
        place = self._full
        if place is None and _speaks_of_it(record):
            place = self._folders[-1]
        if place is None:
            return None
        return InfrastructureError(
            f"its disk was full while the job ran ({place})",
            hint="lab gc there; or another disk, as paths.cache of its lab.local.toml and TMPDIR",
        )


def _speaks_of_it(record: JobRecord) -> bool:
    said = os.strerror(errno.ENOSPC)
    texts = [
        str(record.error or ""),
        *(one.message for one in record.results if one.status is Status.ERROR),
    ]
    return any(said in text for text in texts)
