# SPDX-License-Identifier: GPL-2.0-only
"""The files of two variants of a tree that they have not alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lab.build import BuildJob
from lab.coverage.diff_lines import Pair, pairs_of

C = (".c", ".h")
ASSEMBLER = ".S"


@dataclass(frozen=True)
class FilePair:
    """A file that two kernels have not alike, and its lines that are to be shown."""

    name: str
    base: tuple[str, ...]
    patched: tuple[str, ...]

    @cached_property
    def hunks(self) -> tuple[tuple[Pair, ...], ...]:
        return tuple(pairs_of(self.base, self.patched))

    def text(self, *, patched: bool) -> tuple[str, ...]:
        return self.patched if patched else self.base

    def shown(self, *, patched: bool) -> frozenset[int]:
        numbers = (pair.patched if patched else pair.base for hunk in self.hunks for pair in hunk)
        return frozenset(number for number in numbers if number is not None)


def changed_files(base: BuildJob, patched: BuildJob) -> Iterator[FilePair]:
    """The files of C and of an assembler that two variants of a tree have not alike."""
    names = {*base.overlay.files, *patched.overlay.files}
    for name in sorted(names):
        if name.endswith((*C, ASSEMBLER)):
            old, new = _lines(base, name), _lines(patched, name)
            if old != new:
                yield FilePair(name, old, new)


def _lines(job: BuildJob, name: str) -> tuple[str, ...]:
    """A file's lines; none of one that is not there."""
    if name in job.overlay.files:
        found = job.overlay.files[name]
        content = b"" if found is None else found.content
    else:
        path = job.tree.path / name
        content = path.read_bytes() if path.is_file() else b""
    return tuple(content.decode(errors="backslashreplace").split("\n"))
