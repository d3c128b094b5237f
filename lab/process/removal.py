# SPDX-License-Identifier: GPL-2.0-only
"""Folders removed with all that is in them, however deep that is, and whatever its mode.

A patch, a repository or a build may make a thousand folders one in the other: Python, which
goes down by calling itself, gives up there, and would at each command that follows.  It may
also take from the user the right to look into a folder, which they can give back to themselves.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from lab.process.child import run

_DEADLINE_S = 300.0


def remove_tree(folder: Path, *, all_of_it: bool = False) -> None:
    """Remove a folder, if it is there.

    Args:
        all_of_it: Whether what cannot be removed is an error.

    Raises:
        OSError: Something of it cannot be removed, where that is asked for.
    """
    if folder.is_symlink():
        if all_of_it:
            # rmtree() of Python 3.13 refuses it as well, and does not say why.
            raise OSError(errno.ENOTDIR, "is a symbolic link", str(folder))
        return
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        if os.path.lexists(folder):
            _force(folder)
    if all_of_it and os.path.lexists(folder):
        raise OSError(errno.ENOTEMPTY, "something of it cannot be removed", str(folder))


def _force(folder: Path) -> None:
    """As much of it as may be removed.  chmod(1) -R passes links over."""
    for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        run([*command, "--", folder], check=False, timeout=_DEADLINE_S)
