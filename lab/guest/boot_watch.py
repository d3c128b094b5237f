# SPDX-License-Identifier: GPL-2.0-only
"""A console looked at while its guest boots: who stalls there says nothing more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.complaints import Reader
from lab.model.complaint import Complaint
from lab.process.cpu_waits import Given, Times

#: A boot that takes no longer is not looked at: to look takes CPU time of its own.
_QUICK_S = 5.0
#: Read at a time; a console that grows faster is nobody's silence.
_PIECE = 1 << 20


class Booting:
    """Tells a boot that does not go on from one that is slow.

    A stall, or an oops, after which the console says nothing more is the end of it; a
    host that is busy is not: the grace is counted in CPU time that the guest was given.

    Args:
        grace_s: Seconds that a guest may be silent after such a complaint.
        times: The CPU time of QEMU's threads.
    """

    def __init__(
        self, console: Path, grace_s: float, times: Callable[[], Mapping[int, Times]]
    ) -> None:
        self._console = console
        self._grace_s = grace_s
        self._begun = time.monotonic()
        self._given = Given(times)
        self._reader: Reader | None = None
        self._read = 0
        self._silent_since = 0.0
        self._suspect: Complaint | None = None

    def hung(self) -> str:
        """Why the guest is not waited for any longer; "" while it is."""
        if time.monotonic() - self._begun < _QUICK_S:
            return ""
        if self._reader is None:
            self._reader = Reader()
            self._given.begin()
        self._given.sample()
        self._look(self._reader)
        if self._suspect is None or self._given.given - self._silent_since < self._grace_s:
            return ""
        grace = f"deadlines.stall ({self._grace_s:g} s)"
        return f"{self._suspect.title}: did not go on within {grace}, and was ended"

    def _look(self, reader: Reader) -> None:
        try:
            with self._console.open("rb") as stream:
                stream.seek(self._read)
                data = stream.read(_PIECE)
        except OSError:
            return
        if not data:
            return
        self._read += len(data)
        self._silent_since = self._given.given
        for complaint in (*reader.feed(data), *reader.pending()):
            if complaint.breaks or (complaint.stalls and not self._given.starved()):
                self._weigh(complaint)

    def _weigh(self, complaint: Complaint) -> None:
        """The first of several stalls is the cause of the others, with more lines of it."""
        first = self._suspect
        if first is None or complaint.breaks or complaint.offset == first.offset:
            self._suspect = complaint
