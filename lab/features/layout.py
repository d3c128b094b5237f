# SPDX-License-Identifier: GPL-2.0-only
"""On-disk features of filesystems, those of ``layouts.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from lab.model.version import KernelVersion, VersionRange


@dataclass(frozen=True)
class Layout:
    """A part of a filesystem's format that mkfs may leave out.

    ``flag`` and ``off`` are the words that make it do so: ``-m bigtime=0``.
    """

    name: str
    versions: VersionRange
    flag: str
    off: str
    source: str
    excludes_dax: bool = False

    def mounts(self, version: KernelVersion, *, dax: bool) -> bool:
        """Whether a kernel of ``version`` mounts it, for writing, and with DAX if asked to."""
        return not (dax and self.excludes_dax) and self.versions.contains(version)


@cache
def layouts(filesystem: str) -> tuple[Layout, ...]:
    """The known on-disk features of a type of filesystem; none of one that the table has not."""
    text = (resources.files(__package__) / "layouts.toml").read_text()
    return tuple(
        Layout(
            name=name,
            versions=VersionRange.parse(row.get("versions", "")),
            flag=row["off"][0],
            off=row["off"][1],
            source=row["source"],
            excludes_dax=row.get("excludes_dax", False),
        )
        for name, row in tomllib.loads(text).get(filesystem, {}).items()
    )
