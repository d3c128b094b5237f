# SPDX-License-Identifier: GPL-2.0-only
"""What lies beside a build that came from a store: which, and what of it was left there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.process.scratch import write_whole
from lab.process.stored import read_stored
from lab.store.manifest import StoredFile

#: Beside what came from a store.
NOTE = "store.json"
VMLINUX = "vmlinux"


@dataclass(frozen=True)
class Note:
    """Where a build came from.

    Attributes:
        url: The store's; no store's URL has secrets in it.
        stall_s: Seconds for which it may say nothing.
        left: What was left there.
        host, made: Who made it, and when.
    """

    url: str
    stall_s: float
    left: tuple[StoredFile, ...]
    host: str = ""
    made: str = ""


def write_note(folder: Path, note: Note) -> None:
    """Keep it; raises OSError."""
    write_whole(folder / NOTE, (json.dumps(asdict(note), indent=1) + "\n").encode())


def note_of(folder: Path) -> Note | None:
    """Where what is in a folder came from; None where it was made here."""
    return read_stored(folder / NOTE, Note)


def is_left(folder: Path, name: str) -> bool:
    """Whether a file is not in a folder but in the store that it came from."""
    note = note_of(folder)
    return note is not None and any(file.name == name for file in note.left)
