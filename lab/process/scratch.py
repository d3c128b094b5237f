# SPDX-License-Identifier: GPL-2.0-only
"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
        # mkdtemp's part has no dot: ".v4.2.x1y2" is the scratch of another, v4.2.
        if "." not in stale.name.removeprefix(prefix):
            shutil.rmtree(stale, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=final.parent))
    try:
        yield folder
        folder.chmod(0o755)
        _sync(folder)
        with suppress(FileNotFoundError):
            shutil.rmtree(final)
        folder.rename(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


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
