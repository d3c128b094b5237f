# SPDX-License-Identifier: GPL-2.0-only
"""One thing on the disk that can go as a whole, or has to stay."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

#: Device and number: what names a file's content, whatever links lead to it.
Inode = tuple[int, int]


class Rank(IntEnum):
    """In which order things go."""

    LEFTOVER = 0
    UNREFERENCED = 1
    REFERENCED = 2


@dataclass(frozen=True)
class Item:
    """A build, tree, workbench, saved state, download or run folder, or a killed lab's rest.

    Args:
        used: When it was last used, as ``st_mtime`` has it.
        lock: The flock(2) file of whoever works on it.
        keep: Why it must stay; "" when it may go.
        about: What it is to a reader.
    """

    kind: str
    path: Path
    used: float
    rank: Rank = Rank.UNREFERENCED
    lock: Path | None = None
    keep: str = ""
    about: str = ""


@dataclass
class Usage:
    """How much of the disk files take: an inode with several links counts once."""

    links: Counter[Inode] = field(default_factory=Counter)
    sizes: dict[Inode, int] = field(default_factory=dict)

    def add(self, files: Iterable[tuple[Inode, int]]) -> None:
        """Count files: (inode, bytes) pairs, a link each."""
        for inode, size in files:
            self.links[inode] += 1
            self.sizes[inode] = size

    def remove(self, inodes: Iterable[Inode]) -> int:
        """Take links away; returns the bytes that nothing leads to any more."""
        freed = 0
        for inode in inodes:
            self.links[inode] -= 1
            if self.links[inode] == 0:
                freed += self.sizes.pop(inode)
        return freed

    @property
    def total(self) -> int:
        """Bytes of all that is counted."""
        return sum(self.sizes.values())


def files_below(path: Path) -> Iterator[tuple[Inode, int]]:
    """Each file at or below a path, and the bytes it really takes; folders' own are left out.

    What goes away meanwhile, or cannot be read, is passed over.
    """
    folders = [str(path)]
    try:
        if not path.is_dir() or path.is_symlink():
            folders = []
            yield _file(path.lstat())
    except OSError:
        return
    while folders:
        try:
            with os.scandir(folders.pop()) as listing:
                for entry in listing:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield _file(entry.stat(follow_symlinks=False))
        except OSError:
            continue


def _file(status: os.stat_result) -> tuple[Inode, int]:
    # Blocks of 512 bytes (stat(2)): saved states are sparse.
    return (status.st_dev, status.st_ino), status.st_blocks * 512
