# SPDX-License-Identifier: GPL-2.0-only
"""A tree with an overlay on it, read file by file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path, PurePosixPath

from lab.patches.overlay import Overlay, Replacement
from lab.trees import Entry, Manifest, Tree, blob_digest, read_manifest

SYMLINK = 0o120000


def link_target(path: Path) -> bytes:
    """A link's target as it is on disk; Path.readlink() would make ``./x`` into ``x``."""
    return os.readlink(os.fsencode(path))  # noqa: PTH115


class View:
    """What a patch finds: the overlay's files, and beneath them the tree's.

    The manifest says which files the tree has, so that what lies about in a
    folder (objects of an old build) is not taken for source.
    """

    def __init__(self, tree: Tree, overlay: Overlay) -> None:
        self.tree = tree
        self.overlay = overlay
        #: The tree's files, without the overlay.
        self.entries: Manifest = read_manifest(tree.manifest)

    def add(self, changes: Mapping[str, Replacement | None]) -> None:
        """Lay ``changes`` over what there is."""
        self.overlay = self.overlay.over(changes)

    def __contains__(self, path: str) -> bool:
        if path in self.overlay.files:
            return self.overlay.files[path] is not None
        return path in self.entries

    def read(self, path: str) -> Replacement | None:
        """The file at ``path``, or None where there is none.

        Raises:
            InfrastructureError: The tree is not what its manifest says.
        """
        if path in self.overlay.files:
            return self.overlay.files[path]
        entry = self.entries.get(path)
        return self._from_tree(path, entry) if entry is not None else None

    def _from_tree(self, path: str, entry: Entry) -> Replacement:
        file = self.tree.path / path
        try:
            content = link_target(file) if entry.mode == SYMLINK else file.read_bytes()
        except OSError as error:
            raise self.tree.changed(path) from error
        if blob_digest(content) != entry.digest:
            raise self.tree.changed(path)
        return Replacement(entry.mode, content)

    def file_above(self, path: str) -> str | None:
        """The file or symbolic link that stands where ``path`` needs a folder."""
        parents = [str(parent) for parent in PurePosixPath(path).parents]
        return next((parent for parent in parents if parent in self), None)

    def is_folder(self, path: str) -> bool:
        """Whether there are files below ``path``."""
        laid = (name for name in self.overlay.files if name.startswith(f"{path}/"))
        return any(name in self for name in chain(laid, self.entries.below(path)))
