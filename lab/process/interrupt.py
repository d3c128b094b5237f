# SPDX-License-Identifier: GPL-2.0-only
"""Signals that end the lab: exceptions, so that every ``with`` block on the way out cleans up."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.model.records import RunRecord


#: Seconds after which a block that holds signals off is taken for one that is stuck.
_STUCK_S = 1.0


class Terminated(BaseException):
    """SIGTERM or SIGHUP; its argument is the number."""


class Interrupted(BaseException):
    """A run was ended by one of these.

    Attributes:
        run: Its record: what had ended, and what did not run.
        stop: What was raised.
    """

    def __init__(self, run: RunRecord, stop: KeyboardInterrupt | Terminated) -> None:
        super().__init__(run.id)
        self.run = run
        self.stop = stop


def terminate(number: int, frame: FrameType | None) -> None:
    """A signal handler that raises KeyboardInterrupt for SIGINT, Terminated for others."""
    if put_off(frame, lambda later: terminate(number, later)):
        return
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


def status_of(stop: KeyboardInterrupt | Terminated | Interrupted) -> int:
    """The exit status of a process that a signal ended: 128 + its number."""
    if isinstance(stop, Interrupted):
        return status_of(stop.stop)
    return 128 + (int(str(stop)) if isinstance(stop, Terminated) else signal.SIGINT)


def importing(frame: FrameType | None) -> bool:
    """Whether something is being imported where a signal came: what is raised would be lost."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def put_off(
    frame: FrameType | None,
    again: Callable[[FrameType | None], None],
    *,
    busy: bool = False,
) -> bool:
    """Whether nothing may be raised where a signal came; ``again`` is its handler, for later.

    Args:
        busy: Whether the caller itself is in the middle of something.
    """
    if busy or importing(frame):
        # Raised in a callback of the import system it would be swallowed, and the import
        # lock stay held: all threads would wait for ever.
        signal.signal(signal.SIGALRM, lambda _, later: again(later))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        return True
    return _HOLD.keeps(lambda: again(None))


def held() -> AbstractContextManager[None]:
    """A block in which a signal raises nothing but within may_interrupt(); at its end it does.

    What is taken off a list and noted somewhere else may be in neither, where a signal comes
    between the two.  For handlers that ask put_off().
    """
    return _holding(True)


def may_interrupt() -> AbstractContextManager[None]:
    """The part of a held() block that a signal may end: it waits for something."""
    return _holding(False)


@contextmanager
def _holding(on: bool) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal comes into another thread
        return
    before, _HOLD.on = _HOLD.on, on
    try:
        _HOLD.release()
        yield
    finally:
        _HOLD.on = before
        _HOLD.release()


@dataclass
class _Hold:
    """Whether signals are held off now, and what came meanwhile."""

    on: bool = False
    later: Callable[[], None] | None = None
    since_s: float = 0.0

    def keeps(self, again: Callable[[], None]) -> bool:
        """Whether a signal is held off: then it is said again later."""
        if not self.on:
            return False
        if self.later is None:
            self.later, self.since_s = again, time.monotonic()
        return time.monotonic() - self.since_s < _STUCK_S

    def release(self) -> None:
        """Say what came, unless it still may not come."""
        if not self.on and self.later is not None:
            later, self.later = self.later, None
            later()


_HOLD = _Hold()
