# SPDX-License-Identifier: GPL-2.0-only
"""What comes with the lab, and where a user's own things are when no project is at hand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lab.process.xdg import config_home, data_home

_PACKAGE = Path(__file__).parent.parent


def packaged_folder() -> Path:
    """The project in an installed package (setup.py); an editable one has none."""
    return _PACKAGE / "project"


def installed_config() -> Path | None:
    """The ``lab.toml`` that came with the lab: of its package, or of the checkout it runs from."""
    for folder in (packaged_folder(), _PACKAGE.parent):
        if (folder / "lab.toml").is_file():
            return folder / "lab.toml"
    return None


def own_local_config(root: Path) -> Path:
    """The ``lab.local.toml`` for a project: beside its ``lab.toml``, but never in a package."""
    folder = config_home() / "lab" if root == packaged_folder() else root
    return folder / "lab.local.toml"


def own_folder(root: Path) -> Path:
    """Where the results of a project go that cannot hold them."""
    share = data_home() / "lab"
    if root == packaged_folder():
        return share
    return share / f"{root.name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"


def can_hold(root: Path, folder: Path) -> bool:
    """Whether results can be written to a folder of a project's."""
    if root == packaged_folder():
        return False
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(nearest, os.W_OK)
