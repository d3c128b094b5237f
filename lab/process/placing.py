# SPDX-License-Identifier: GPL-2.0-only
"""Many files put into a folder that is like another: links where they can be, else copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_BATCH = 500
_THREADS = min(8, os.cpu_count() or 1)


def place_all(
    source: Path, target: Path, paths: Sequence[str], place: Callable[[str, str], object]
) -> None:
    """Have each of these paths below ``source`` placed below ``target``, and its folder made.

    Args:
        place: Takes where a file is, and where it goes; link_one() or copy_one().

    Raises:
        OSError: What ``place`` raised of one; those that were under way have ended.
    """
    for folder in sorted({os.path.dirname(path) for path in paths}):  # noqa: PTH120
        (target / folder).mkdir(parents=True, exist_ok=True)

    def work(batch: Iterable[str]) -> None:
        for path in batch:
            place(f"{source}/{path}", f"{target}/{path}")

    batches = [paths[at : at + _BATCH] for at in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for _ in pool.map(work, batches):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def link_one(source: str, target: str) -> None:
    """The same file under another name, its time stamps with it; a copy where that cannot be."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # too many links
        copy_one(source, target)


def copy_one(source: str, target: str) -> None:
    """A copy, with the time stamps."""
    # A kernel has symlinks to folders, too: scripts/dtc/include-prefixes/arm.
    shutil.copy2(source, target, follow_symlinks=False)
