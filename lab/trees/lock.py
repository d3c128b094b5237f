# SPDX-License-Identifier: GPL-2.0-only
"""A lock between processes, let go by the kernel when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.process.flock import take
from lab.trees.request import Request

_POLL_S = 0.1


@contextmanager
def locked(path: Path, request: Request, doing: str) -> Iterator[None]:
    """Hold the lock in the file ``path``; waits for its holder until the deadline.

    Args:
        doing: What the holder does, for the message to whoever waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not take(file, path):
            file.seek(0)
            request.say(f"waiting for another lab (pid {file.read().strip()}) that is {doing}")
            while not take(file, path):
                time.sleep(min(_POLL_S, request.left()))
        os.ftruncate(file.fileno(), 0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock if nobody does; gives whether it is held."""
    with path.open("a+") as file:
        yield take(file, path)
