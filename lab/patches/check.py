# SPDX-License-Identifier: GPL-2.0-only
"""The proof a git diff carries: the blobs its ``index`` lines name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.errors import Location
from lab.patches.diff import file_names, first_line
from lab.patches.overlay import Replacement
from lab.patches.patch import Patch
from lab.patches.refusal import Altered
from lab.trees import blob_digest

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile

_INDEX = re.compile(r"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: \d+)?\s*")
_NULL = "0" * 40

Files = Mapping[str, Replacement]


@dataclass(frozen=True)
class IndexLine:
    """``index BEFORE..AFTER``: abbreviated git blob names (git-diff(1)); zeros are no file."""

    before: str
    after: str


def index_line(file: PatchedFile) -> IndexLine | None:
    """The file's ``index`` line, if it has one."""
    for line in file.patch_info or ():
        if match := _INDEX.fullmatch(line):
            return IndexLine(match[1], match[2])
    return None


def check_index(patch: Patch, before: Files, after: Files) -> frozenset[str]:
    """Compare the files with the blobs that the patch names for them.

    Where a file was exactly the blob the patch was made from, applying it must
    give exactly the blob its author had; other files say nothing.

    Returns:
        The paths, after the patch, that were proved so.

    Raises:
        Altered: The result is another: the patch was altered on its way.
    """
    names = [file_names(patch.path, file, patch.strip) for file in patch.diff]
    proved = set()
    for file, (old, new) in zip(patch.diff, names, strict=True):
        index = index_line(file)
        # With a file in the patch twice, neither line speaks of both ends.
        if index is None or _shared(names, old, new) or not _is(before, old, index.before):
            continue
        if not _is(after, new, index.after):
            raise _altered(patch, file, index, _name(after, new))
        proved.add(new or old or "")
    return frozenset(proved)


def _shared(names: Sequence[tuple[str | None, str | None]], *own: str | None) -> bool:
    mine = set(own) - {None}
    return sum(bool(mine & set(pair)) for pair in names) > 1


def _name(files: Files, path: str | None) -> str:
    file = files.get(path) if path is not None else None
    return blob_digest(file.content) if file is not None else _NULL


def _is(files: Files, path: str | None, abbreviated: str) -> bool:
    return _name(files, path).startswith(abbreviated)


def _altered(patch: Patch, file: PatchedFile, index: IndexLine, got: str) -> Altered:
    return Altered(
        f"the patch was altered: it names {index.after} as its result for {file.path}, "
        f"but applied to the very blob it was made from ({index.before}) it gives "
        f"{got[: len(index.after)]}",
        where=Location(patch.path, first_line(file)),
        hint="get the patch again; if you edited it, make its index line again with git diff",
    )
