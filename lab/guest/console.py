# SPDX-License-Identifier: GPL-2.0-only
"""The guest's console: a file of bytes that QEMU writes and the lab reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.complaints import Reader
from lab.model.complaint import Complaint
from lab.process.deadline import Deadline

_TAIL = 8192
_PIECE = 1 << 16
#: Where the last words of a kernel are, if there are any, and how long they are looked for.
_LAST = 4 << 20
_LOOKING_S = 5.0


@dataclass(frozen=True)
class Console:
    """Reads what the guest printed; bytes that are not UTF-8 are replaced."""

    path: Path

    def tail(self, lines: int = 15) -> str:
        """The last lines, for an error message."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(0, 2)
                stream.seek(max(0, stream.tell() - _TAIL))
                text = stream.read().decode(errors="replace")
        except FileNotFoundError:
            return "(the console printed nothing)"
        said = text.replace("\r", "").splitlines()[-lines:]
        return "\n".join(said) or "(the console printed nothing)"

    def last_words(self) -> str | None:
        """What the kernel said when it died; None if it did not say."""
        try:
            stream = self.path.open("rb")
        except FileNotFoundError:
            return None
        # In pieces: a guest may have printed more than fits into memory.
        reader = Reader()
        words = None
        with stream:
            # One that lives may never stop, and what it prints take long to read.
            left = stream.seek(0, os.SEEK_END)
            left -= stream.seek(max(0, left - _LAST))
            deadline = Deadline("console", _LOOKING_S)
            while (piece := stream.read(min(_PIECE, left))) and not deadline.passed:
                left -= len(piece)
                words = _headline(reader.feed(piece)) or words
        return _headline(reader.close()) or words


def _headline(complaints: Iterable[Complaint]) -> str | None:
    fatal = [complaint.headline for complaint in complaints if complaint.fatal]
    return fatal[-1] if fatal else None
