# SPDX-License-Identifier: GPL-2.0-only
"""What patches make of a tree, without writing to the tree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Replacement:
    """A file as it is after the patches.

    ``mode`` is git's: 0o100644, 0o100755 or 0o120000; the ``content`` of a
    symbolic link is its target.
    """

    mode: int
    content: bytes


@dataclass(frozen=True)
class Overlay:
    """The files to lay over a tree, by path from its top; None is a deleted file."""

    files: dict[str, Replacement | None]

    @classmethod
    def empty(cls) -> Overlay:
        """An overlay that changes nothing."""
        return cls({})

    def over(self, changes: Mapping[str, Replacement | None]) -> Overlay:
        """This overlay with ``changes`` laid over it in turn."""
        return Overlay({**self.files, **changes})

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of every path, mode and content."""
        digest = hashlib.sha256()
        for path, replacement in sorted(self.files.items()):
            digest.update(_record(path, replacement))
        return digest.hexdigest()


def _record(path: str, replacement: Replacement | None) -> bytes:
    # Lengths go in front, so that no two overlays have the same records.
    name = path.encode(errors="surrogateescape")
    if replacement is None:
        return b"%d %s deleted\n" % (len(name), name)
    size = len(replacement.content)
    return b"%d %s %o %d\n" % (len(name), name, replacement.mode, size) + replacement.content
