# SPDX-License-Identifier: GPL-2.0-only
"""Objects that would read a new file in place of one that they read, or one that is gone.

make goes by the time stamps of the files that an object names, and the new one is in no note: a
kernel that brings include/linux/X.h where include/uapi/linux/X.h was read would be linked from
what was compiled without it, and pass or fail as the kernel before it does.  Nor is an object
compiled again whose header is gone: with kbuild's .SECONDARY make takes a file that is not there
for one in between, which nobody misses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.build.kbuild_note import notes_with
from lab.build.product import NoProduct, read_product

_FOLDER = re.compile(r"(?:^|\s)-(?:I|iquote|isystem|idirafter)\s*([^\s-]\S*)")
_READ = re.compile(r"^\s+(/?[^\s$()\\]+) \\$", re.MULTILINE)
_SOURCE = re.compile(r"^source_\S+ := (\S+)$", re.MULTILINE)


def shadowed(
    objects: Path, source: Path, added: Collection[str], gone: Collection[str] = ()
) -> Iterator[Path]:
    """The notes of what may be otherwise with files that came or went since it was compiled.

    Args:
        objects, source: Of a workbench.
        added, gone: The paths of these files, below the source.

    Raises:
        InfrastructureError: The notes cannot be looked at.
    """
    by_name: dict[str, list[str]] = {}
    for path in added:
        by_name.setdefault(os.path.basename(path), []).append(path)  # noqa: PTH119
    known = _Known(objects, source, frozenset(f"src/{path}" for path in gone))
    names = {*by_name, *(os.path.basename(path) for path in gone)}  # noqa: PTH119
    for name in notes_with(objects, [f"/{name} \\" for name in names]):
        try:
            text = read_product(objects, name)
        except (NoProduct, OSError):
            continue  # make reads no such note either, and compiles
        if known.would_read(text, by_name):
            yield objects / name


@dataclass
class _Known:
    """What names in notes mean, each found out once: of 600 in a note all others have most."""

    objects: Path
    source: Path
    gone: frozenset[str]
    _spelled: dict[str, str] = field(default_factory=dict)

    def would_read(self, note: str, added: Mapping[str, Collection[str]]) -> bool:
        """Whether one that was read is gone, or a new one lies where that was looked for."""
        read = [self._spell(path) for path in _READ.findall(note)]
        if not self.gone.isdisjoint(read):
            return True
        compiled = map(self._spell, _SOURCE.findall(note))
        folders = {os.path.dirname(path) for path in (*read, *compiled)}  # noqa: PTH120
        folders.update(map(self._spell, _FOLDER.findall(note)))
        # What is asked for as ../X is found from one above.
        folders.update([above for one in folders for above in _above(one)])
        return any(
            not folders.isdisjoint(_from(path, new))
            for path in read
            for new in added.get(os.path.basename(path), ())  # noqa: PTH119
            if path != f"src/{new}"
        )

    def _spell(self, path: str) -> str:
        if path not in self._spelled:
            whole = os.path.normpath(self.objects / path)
            below = whole.startswith(f"{self.source}/")
            self._spelled[path] = f"src{whole.removeprefix(str(self.source))}" if below else whole
        return self._spelled[path]


def _above(folder: str) -> Iterator[str]:
    while "/" in folder.lstrip("/"):
        folder = folder.rpartition("/")[0]
        yield folder


def _from(path: str, new: str) -> Iterator[str]:
    """The folders from which both are found by one name."""
    here, there = path.split("/"), f"src/{new}".split("/")
    while len(here) > 1 and len(there) > 1 and here.pop() == there.pop():
        yield "/".join(there)
