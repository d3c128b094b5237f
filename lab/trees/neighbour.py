# SPDX-License-Identifier: GPL-2.0-only
"""A commit's files, taken from a tree in the cache that has most of them already.

Two commits of a kernel differ in a few files of 80,000: to write all of them takes git half a
minute, to link those that are alike takes a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.process.placing import link_one, place_all
from lab.process.removal import remove_tree
from lab.trees.rows import Rows, read_rows
from lab.trees.tree import load_tree

#: Of the wanted files, as many may differ: with more, all are written anew.
_MOST_DIFFERING = 0.25
#: A manifest takes 0.1 s to read: of a hundred trees only those that were used last are asked.
_MOST_ASKED = 4


def link_neighbour(trees: Path, wanted: Rows, source: Path) -> frozenset[str] | None:
    """Fill ``source`` with what the nearest tree has of the ``wanted`` rows.

    A file that was written to since its tree was made is not taken.

    Args:
        trees: The folder of the trees.
        source: An empty folder on the same disk; it is empty again where nothing came of it.

    Returns:
        The paths that are not there yet; None where no tree is near, or one went meanwhile.
    """
    nearest, fewest = None, int(len(wanted) * _MOST_DIFFERING)
    for folder, rows in _last_used(trees):
        left = len(wanted.items() - rows.items())
        if left <= fewest:
            nearest, fewest = (folder, rows), left
    if nearest is None:
        return None
    folder, rows = nearest
    try:
        alike = sorted(path for path, row in wanted.items() if rows.get(path) == row)
        taken = _untouched(folder, alike)
        place_all(folder / "source", source, taken, link_one)
    except OSError:
        # lab gc may free it at any moment; no room is told by who writes all of it.
        remove_tree(source, all_of_it=True)
        source.mkdir()
        return None
    return frozenset(wanted.keys() - set(taken))


def _last_used(trees: Path) -> Iterator[tuple[Path, Rows]]:
    """The trees that were used last, each with its rows, the last first."""
    folders = {}
    for folder in trees.iterdir():
        # Hidden is what is being made, or freed.
        if not folder.name.startswith("."):
            with suppress(OSError):
                folders[folder] = folder.stat().st_mtime
    asked = 0
    for folder in sorted(folders, key=lambda each: (folders[each], each), reverse=True):
        if load_tree(folder) is None:
            continue
        asked += 1
        with suppress(LabError):
            yield folder, read_rows(folder / "manifest")
        if asked == _MOST_ASKED:
            return


def _untouched(folder: Path, paths: list[str]) -> list[str]:
    """Those that nobody wrote to since the tree was made."""
    made = (folder / "manifest").stat().st_mtime_ns
    source = f"{folder}/source"
    return [path for path in paths if os.lstat(f"{source}/{path}").st_mtime_ns <= made]
