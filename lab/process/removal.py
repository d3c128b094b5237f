# SPDX-License-Identifier: GPL-2.0-only
"""Folders removed with all that is in them, however deep that is.

A patch, a repository or a build may make a thousand folders one in the other: Python, which
goes down by calling itself, gives up there, and would at each command that follows.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.process.child import run

_DEADLINE_S = 300.0


def remove_tree(folder: Path, *, all_of_it: bool = False) -> None:
    """Remove a folder, if it is there.

    Args:
        all_of_it: Whether what cannot be removed is an error.

    Raises:
        OSError, ProcessFailed: Something of it cannot be removed, where that is asked for.
    """
    try:
        shutil.rmtree(folder, ignore_errors=not all_of_it)
    except RecursionError:
        run(["rm", "-rf", "--", folder], check=all_of_it, timeout=_DEADLINE_S)
