# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of things that the cache holds: where each lies, and the lock of who works on it.

Those who make them and ``lab gc``, which removes them, both ask here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shelf:
    """One kind of thing in the cache.

    Attributes:
        kind: What a reader calls one of them.
        folder: Where they lie, below the cache.
        lock: Of one, from there: ``{}`` stands for its name, or for what its maker goes by.
            ``""`` where one appears whole or not at all, and whoever comes later makes it again.
    """

    kind: str
    folder: str
    lock: str = ""

    def place(self, cache: Path, name: str = "") -> Path:
        """Where one lies; without a name, where all do."""
        return cache / self.folder / name

    def lock_of(self, cache: Path, name: str = "") -> Path:
        """The flock(2) file of whoever makes one, or removes it."""
        return self.place(cache, self.lock.format(name))


BUILDS = Shelf("build", "builds", ".lock-{}")
#: A tree is made by who holds the lock of its kernel.
TREES = Shelf("tree", "trees", ".lock-{}")
WORKBENCHES = Shelf("workbench", "workbenches", "{}/lock")
STATES = Shelf("state", "states", ".{}.lock")
PROGRAMS = Shelf("programs", "programs", ".{}.lock")
IMAGES = Shelf("image", "images")
#: What is made of ``[images.X]``.
USERLANDS = Shelf("userland", "userlands", ".{}.lock")
#: A download is made by who holds the lock of its digest.
DOWNLOADS = Shelf("download", "downloads", ".lock-{}")
MIRRORS = Shelf("mirror", "git", ".lock")
#: What the host's mkfs answered.
MKFS = Shelf("answer", "mkfs")
#: What another host sent for a job of its.
SENT = Shelf("sent", "sent", ".{}.lock")

#: All of them.
SHELVES = (
    BUILDS,
    TREES,
    WORKBENCHES,
    STATES,
    PROGRAMS,
    IMAGES,
    USERLANDS,
    DOWNLOADS,
    MIRRORS,
    MKFS,
    SENT,
)
