# SPDX-License-Identifier: GPL-2.0-only
"""Sparse files: what is in them, without their holes."""

from __future__ import annotations

import os
from collections.abc import Iterator

_BLOCK = 4 << 20


def copy_sparse(source: int, target: int) -> None:
    """Copy what is not a hole to an empty file; the size stays."""
    os.ftruncate(target, os.fstat(source).st_size)
    for start, end in data_ranges(source):
        for at in range(start, end, _BLOCK):
            os.pwrite(target, os.pread(source, min(_BLOCK, end - at), at), at)


def data_ranges(source: int) -> Iterator[tuple[int, int]]:
    """Where a sparse file holds data: (start, end) in bytes (lseek(2), SEEK_DATA)."""
    at, size = 0, os.fstat(source).st_size
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        at = os.lseek(source, start, os.SEEK_HOLE)
        yield start, at
