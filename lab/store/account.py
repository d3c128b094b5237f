# SPDX-License-Identifier: GPL-2.0-only
"""What a process had of its store, and gave it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from lab.text import human

#: What rows say of entries, in words.
_OF_ENTRIES = {"hits": "had", "misses": "not there", "pushed": "pushed"}


@dataclass
class Account:
    """Counts, for the record of a run and for people.

    Attributes:
        hits, misses, pushed: Entries, by their kind.
        read, written: Bytes.
        rebuilt, other: Builds that were made here all the same, and those that differ.
    """

    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    pushed: Counter[str] = field(default_factory=Counter)
    read: int = 0
    written: int = 0
    rebuilt: int = 0
    other: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def moved_here(self, size: int) -> None:
        """So many bytes came."""
        with self._lock:
            self.read += size

    def moved_there(self, size: int) -> None:
        """So many bytes went."""
        with self._lock:
            self.written += size

    @property
    def used(self) -> bool:
        """Whether anything was asked of it."""
        return bool(self.hits or self.misses or self.pushed)

    def rows(self) -> tuple[tuple[str, int], ...]:
        """(what, number) pairs, those of nothing left out."""
        counted = {
            **{f"{kind} hits": number for kind, number in sorted(self.hits.items())},
            **{f"{kind} misses": number for kind, number in sorted(self.misses.items())},
            **{f"{kind} pushed": number for kind, number in sorted(self.pushed.items())},
            "bytes read": self.read,
            "bytes written": self.written,
            "rebuilt": self.rebuilt,
            "rebuilt otherwise": self.other,
        }
        return tuple((what, number) for what, number in counted.items() if number)

    def told(self) -> str:
        """The same for people: ``3 builds had, 27.9M read``; "" for nothing."""
        return ", ".join(_counted(what, number) for what, number in self.rows())


def _counted(what: str, number: int) -> str:
    """A row for people."""
    noun, _, done = what.partition(" ")
    if noun == "bytes":
        return f"{human(number)} {done}"
    plural = "s" if done in _OF_ENTRIES and number != 1 and not noun.endswith("s") else ""
    return f"{number} {noun}{plural} {_OF_ENTRIES.get(done, done)}".rstrip()
