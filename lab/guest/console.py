# SPDX-License-Identifier: GPL-2.0-only
"""The guest's console: a file of bytes that QEMU writes and the lab reads."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

_TAIL = 8192
_PANIC = re.compile(rb"Kernel panic - not syncing: .*|Oops: .*|BUG: .*|general protection fault.*")


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
        """The panic, oops or BUG line nearest the start of the end, if any."""
        try:
            # Mapped, not read: a guest may have printed more than fits into memory.
            with (
                self.path.open("rb") as stream,
                mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as said,
            ):
                match = _PANIC.search(said)
                return match[0].decode(errors="replace").strip() if match else None
        except (FileNotFoundError, ValueError):  # an empty file cannot be mapped
            return None
