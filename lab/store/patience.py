# SPDX-License-Identifier: GPL-2.0-only
"""Something done elsewhere, for as long as it goes on: a server or a mount may fall silent.

What waits for a disk that is gone (NFS) cannot be woken: it is left behind in its thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from lab.store.place import Beat

_T = TypeVar("_T")
_LOOK_S = 1.0


class Stalled(Exception):
    """Nothing has moved for too long."""


def patiently(do: Callable[[Beat], _T], stall_s: float) -> _T:
    """What ``do`` gives; it tells its argument each time that something has moved.

    Raises:
        Stalled: Nothing has, for so many seconds.
    """
    work: _Work[_T] = _Work(do)
    thread = threading.Thread(target=work.run, name="store", daemon=True)
    thread.start()
    while not work.done.wait(min(_LOOK_S, stall_s)):
        if time.monotonic() - work.moved > stall_s:
            raise Stalled(f"it has said nothing for {stall_s:g} s")
    if work.error is not None:
        raise work.error
    return work.result[0]


class _Work(Generic[_T]):
    """What one thread does, and another waits for."""

    def __init__(self, do: Callable[[Beat], _T]) -> None:
        self._do = do
        self.moved = time.monotonic()
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.result: list[_T] = []

    def run(self) -> None:
        """Do it."""
        try:
            self.result.append(self._do(self._beat))
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()

    def _beat(self, _: int) -> None:
        self.moved = time.monotonic()
