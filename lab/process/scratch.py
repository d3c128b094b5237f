# SPDX-License-Identifier: GPL-2.0-only
"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(final: Path) -> Iterator[Path]:
    """A folder beside ``final``, renamed to it when the block ends without an error.

    One that a killed process left is removed by the next; the caller holds a
    lock for ``final``.
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
        with suppress(FileNotFoundError):
            shutil.rmtree(final)
        folder.rename(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
