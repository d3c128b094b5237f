# SPDX-License-Identifier: GPL-2.0-only
"""A part of the tree that a kernel was built from, its series among it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.build.build import BuildJob
from lab.patches.patched_tree import SYMLINK, View
from lab.trees import blob_digest


@dataclass(frozen=True)
class TreePart:
    """The files of a build's source that are, or lie below, some paths.

    Attributes:
        paths: A folder ends with ``/``.
    """

    job: BuildJob
    paths: tuple[str, ...]

    @cached_property
    def identity(self) -> str:
        """Names what is in it: two trees that differ elsewhere have one."""
        rows = "".join(f"{mode:o} {digest} {path}\0" for path, mode, digest in self._rows())
        return f"part:{hashlib.sha256(rows.encode(errors='surrogateescape')).hexdigest()}"

    def fill(self, folder: Path) -> None:
        """Write it into an empty folder.

        Raises:
            InfrastructureError: The tree is not what its manifest says.
        """
        for path in self._names():
            file = self._view.read(path)
            if file is None:
                continue
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if file.mode == SYMLINK:
                place.symlink_to(file.content.decode(errors="surrogateescape"))
            else:
                place.write_bytes(file.content)
                place.chmod(file.mode & 0o777)

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self._view

    def text(self, path: str) -> str:
        """What a file of it says; "" where there is none."""
        file = self._view.read(path)
        return "" if file is None else file.content.decode(errors="replace")

    @cached_property
    def _view(self) -> View:
        return View(self.job.tree, self.job.overlay)

    def _names(self) -> Iterator[str]:
        names = {*self._view.entries, *self._view.overlay.files}
        return iter(sorted(name for name in names if _is_in(name, self.paths)))

    def _rows(self) -> Iterator[tuple[str, int, str]]:
        for path in self._names():
            if path in self._view.overlay.files:
                file = self._view.overlay.files[path]
                if file is not None:
                    yield path, file.mode, blob_digest(file.content)
            else:
                entry = self._view.entries[path]
                yield path, entry.mode, entry.digest


def _is_in(name: str, paths: Iterable[str]) -> bool:
    return any(name == path or (path.endswith("/") and name.startswith(path)) for path in paths)
