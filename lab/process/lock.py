# SPDX-License-Identifier: GPL-2.0-only
"""Locks between processes: flock(2), gone with the process that held it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.process.flock import take


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (made when missing, never removed).

    Args:
        waiting: Called once when somebody else holds it.

    Raises:
        InfrastructureError: Its filesystem has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        if not take(handle, path):
            if waiting is not None:
                waiting()
            take(handle, path, wait=True)
        yield
