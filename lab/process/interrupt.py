# SPDX-License-Identifier: GPL-2.0-only
"""Signals that end the lab: exceptions, so that every ``with`` block on the way out cleans up."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.model.records import RunRecord


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
    if importing(frame):
        # Raised in a callback of the import system it would be swallowed, and the import
        # lock stay held: all threads would wait for ever.
        signal.signal(signal.SIGALRM, lambda _, later: terminate(number, later))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
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
