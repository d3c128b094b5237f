# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of filesystems and suites there are: a line for each, and nothing else names them.

A maker is ``MODULE:NAME``, looked up when the first of its kind is made: what a table may say
is known here, what becomes of it is known there.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.model.maker import made_by as made_by


@dataclass(frozen=True)
class FilesystemKind:
    """A ``type`` of ``[filesystems.X]``.

    Attributes:
        maker: Takes the table's name and the table, gives a lab.filesystems.Filesystem.
        options: Those of its mount where the table names none.
        mkfs: Whether there is something to make, and so options for that.
    """

    maker: str
    options: tuple[str, ...] = ()
    mkfs: bool = True


FILESYSTEMS: dict[str, FilesystemKind] = {
    "ext4": FilesystemKind("lab.filesystems.dax:on_pmem", options=("dax",)),
    "xfs": FilesystemKind("lab.filesystems.dax:on_pmem", options=("dax",)),
    "tmpfs": FilesystemKind("lab.filesystems.plain:tmpfs", mkfs=False),
}
