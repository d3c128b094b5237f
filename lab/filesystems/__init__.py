# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems under test: made, mounted, and what of each has to be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.config.kinds import FILESYSTEMS
from lab.model.maker import made_by

if TYPE_CHECKING:
    from lab.config.model import Filesystem as Table
    from lab.filesystems.filesystem import Filesystem


def filesystem_of(name: str, table: Table) -> Filesystem:
    """The filesystem that ``[filesystems.NAME]`` describes."""
    made: Filesystem = made_by(FILESYSTEMS[table.type].maker)(name, table)
    return made
