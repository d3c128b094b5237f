# SPDX-License-Identifier: GPL-2.0-only
"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.process.removal import remove_tree


@contextmanager
def scratch_folder(final: Path) -> Iterator[Path]:
    """A folder beside ``final``, renamed to it when the block ends without an error.

    One that a killed process left is removed by the next; the caller holds a
    lock for ``final``.  Its files are on the disk before they have their name, so
    that a power cut leaves no empty one there; it is meant for few files.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{final.name}."
    for stale in final.parent.glob(f"{prefix}*"):
        # mkdtemp's part has no dot: ".v4.2.x1y2" is the scratch of another, v4.2.  ".NAME.lock"
        # is what the caller holds: without it the next one would take this scratch for a left one.
        if "." not in stale.name.removeprefix(prefix) and stale.is_dir():
            remove_tree(stale)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=final.parent))
    try:
        yield folder
        folder.chmod(0o755)
        _sync(folder)
        with suppress(FileNotFoundError):
            remove_tree(final, all_of_it=True)
        folder.rename(final)
    except BaseException:
        remove_tree(folder)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, and rename it; its folder is made when missing.

    Whoever reads finds the old or the new; of two that write at once, one counts.

    Raises:
        OSError: It cannot be written; nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    # Each by itself: syncfs(2) would wait for all that others write there too.
    for path in (*folder.rglob("*"), folder):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            continue
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
