# SPDX-License-Identifier: GPL-2.0-only
"""What changes with a file's content, and is had without reading it."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp | None:
    """A file's size, inode, mtime and ctime (ns); None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
