# SPDX-License-Identifier: GPL-2.0-only
"""Two nightlies never run at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import InfrastructureError
from lab.model.records import now
from lab.process.lock import take


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock in ``path``; the kernel lets go of it when this process dies.

    Raises:
        InfrastructureError: Another nightly holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror}", where=path) from error
    with handle:
        if not take(handle, path):
            handle.seek(0)
            raise InfrastructureError(
                f"another nightly is running ({handle.read().strip() or 'just begun'})",
                where=path,
                hint="wait for it; it goes on by itself after a kill",
            )
        handle.truncate(0)
        handle.write(f"pid {os.getpid()}, since {now()}")
        handle.flush()
        yield
