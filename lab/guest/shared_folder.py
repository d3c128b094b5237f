# SPDX-License-Identifier: GPL-2.0-only
"""A folder of the host's that a guest may write: what it made of it comes back when it ends."""

from __future__ import annotations

import filecmp
import os
import shlex
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from lab.errors import InfrastructureError, UserError
from lab.guest.courier import MOST, unpack
from lab.guest.guest import Guest
from lab.process.scratch import write_whole
from lab.process.temporary import temporary_folder

_ARCHIVE = "/tmp/.lab-share.tar"  # noqa: S108  # the guest's
_PERMISSIONS = 0o777


def bring_back(guest: Guest, path: str, folder: Path) -> tuple[str, ...]:
    """Write the files that a guest changed or made below ``path`` into a folder of the host's.

    Nothing is deleted there, and no link is followed or made.

    Returns:
        Their names, from the folder.

    Raises:
        InfrastructureError: The guest is gone, or what it made is too much.
        UserError: The folder cannot be written.
    """
    with temporary_folder("share") as place:
        packed = _packed(guest, path)
        try:
            unpack(packed, place / "made", links=False)
            return tuple(sorted(_taken(place / "made", folder.resolve())))
        except tarfile.TarError as error:
            what = f"what the guest packed cannot be taken: {error}"
            raise InfrastructureError(what, where=path) from error
        except OSError as error:
            what = f"what the guest made of it cannot be written: {error.strerror}"
            raise UserError(what, where=error.filename or folder) from error


def _packed(guest: Guest, path: str) -> bytes:
    done = guest.run(f"tar -cf {_ARCHIVE} -C {shlex.quote(path)} . && stat -c %s {_ARCHIVE}")
    if done.status != 0:
        raise InfrastructureError(f"the guest could not pack it: {done.stderr.strip()}", where=path)
    if int(done.stdout) > MOST:
        what = f"has more than {MOST >> 20} MiB now: nothing of it was brought back"
        raise InfrastructureError(what, where=path, hint="lab cp, file by file, before it ends")
    return guest.fetch(_ARCHIVE)


def _taken(made: Path, folder: Path) -> Iterator[str]:
    for root, _, names in os.walk(made):
        for file in (Path(root) / name for name in names):
            target = folder / file.relative_to(made)
            if _is_another(file, target) and _is_within(target, folder):
                write_whole(target, file.read_bytes())
                shutil.copymode(file, target)
                yield str(target.relative_to(folder))


def _is_another(file: Path, target: Path) -> bool:
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode) or target.is_symlink():
        return False
    if not target.is_file():
        return True
    same = target.stat().st_mode & _PERMISSIONS == mode & _PERMISSIONS
    return not (same and filecmp.cmp(file, target, shallow=False))


def _is_within(target: Path, folder: Path) -> bool:
    """Not below a link of the folder that leads out of it."""
    return target.parent.resolve().is_relative_to(folder)
