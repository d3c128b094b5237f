# SPDX-License-Identifier: GPL-2.0-only
"""What a guest that somebody opened by hand died of, with files and lines, and where it is kept."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import InfrastructureError, LabError
from lab.execution.complaint_watch import ComplaintWatch, placed
from lab.execution.stall_watch import StallWatch
from lab.guest.guest import Guest
from lab.model.records import new_run_id
from lab.process.temporary import owned_folder, without_owner

#: Of guests that died; the oldest go first.
_KEPT = 10
_MOST_FRAMES = 12
_MARK = ".kept"


@contextmanager
def own_folder(above: Path) -> Iterator[Path]:
    """A folder for a guest: it stays if the block ends with an error, or calls for it.

    keep() calls for it.
    """
    try:
        folder, descriptor = owned_folder(lambda: _new(above))
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror}", where=above) from error
    try:
        yield folder
    except LabError:
        keep(folder)
        raise
    finally:
        if not (folder / _MARK).exists():
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        _tidy(above)


def _new(above: Path) -> Path:
    folder = above / new_run_id()
    folder.mkdir(parents=True)
    return folder


def left_behind(above: Path) -> Iterator[Path]:
    """Folders of own_folder() whose owners were killed."""
    folders = sorted(above.iterdir()) if above.is_dir() else []
    return without_owner(path for path in folders if not (path / _MARK).exists())


def _tidy(above: Path) -> None:
    for killed in left_behind(above):
        shutil.rmtree(killed, ignore_errors=True)
    for old in sorted(path for path in above.iterdir() if (path / _MARK).exists())[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def keep(folder: Path) -> None:
    """Have the folder of own_folder() stay."""
    if folder.is_dir():
        (folder / _MARK).touch()


@contextmanager
def listening(guest: Guest, release: str, tell: Callable[[str], None] | None) -> Iterator[None]:
    """Tell what a guest's kernel complains of while the block runs; nobody ends the guest."""
    if tell is None:
        yield
        return
    watch = ComplaintWatch(guest.spec.folder, guest.spec.kernel.parent, release, ())
    with StallWatch(watch, guest, math.inf, tell).looking():
        yield


def trace(folder: Path, build: Path, release: str) -> str:
    """What a guest's kernel said last that was to its discredit, and where; "" if nothing.

    Args:
        folder: The guest's, with its console.
        build: The folder of its kernel, with ``System.map`` and ``vmlinux``.
    """
    noted = [one for one in ComplaintWatch(folder, build, release, ()).rest() if not one.benign]
    if not noted:
        return ""
    fatal = [one for one in noted if one.complaint.fatal]
    complaint = (fatal or noted)[-1].complaint
    frames = [f"  {frame}" for frame in complaint.frames if frame.reliable][:_MOST_FRAMES]
    return "\n".join((f"{complaint}{placed(complaint)}", *frames))
