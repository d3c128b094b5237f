# SPDX-License-Identifier: GPL-2.0-only
"""A new workbench starts as a copy of the one that lies nearest to what it is for.

A folder that differs by one file from a tree that was built compiles one object then, and
a config that differs by an option what depends on it: kbuild goes by time stamps, commands
and the options that each file uses, and a copy keeps all three.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.build.product import read_product
from lab.build.workbench import UNKNOWN, Workbench
from lab.errors import LabError
from lab.kconfig import Option, parse_config
from lab.process import ProcessFailed, run
from lab.process.placing import copy_one, link_one, place_all
from lab.process.removal import remove_tree
from lab.trees import Rows, read_rows, write_rows

#: Of a tree's files, as many may differ: between two releases everything is compiled anyway.
_MOST_DIFFERING = 0.25
_COPY_S = 300.0
#: Of a file with saved commands; a larger one is no text, or no build's.
_LONGEST = 16 << 20


@dataclass(frozen=True)
class _Candidate:
    """A workbench, and how far it is: by its config, and by how many files differ.

    Of another config ``unlike`` is how many options it has otherwise than they are asked for,
    and how many it has at all: what has lockdep differs in each file from what asks for
    nothing of the kind.
    """

    bench: Workbench
    other_config: bool
    unlike: tuple[int, int]
    files: int

    @property
    def distance(self) -> tuple[bool, tuple[int, int], int]:
        return self.other_config, self.unlike, self.files


def start_from_nearest(
    bench: Workbench, wanted: Rows, options: Sequence[Option], config: str, compilers: str
) -> Workbench | None:
    """Make ``bench``, which is empty and held, a copy of the nearest; None when none is near.

    Args:
        wanted: What the source of ``bench`` is going to be.
        options: What its config is asked for.
        config: Names them; of a bench with others, what they do not touch is kept.
        compilers: Names compiler, linker and flags; other objects are never taken.
    """
    candidates = _candidates(bench, wanted, options, config, compilers)
    for candidate in sorted(candidates, key=lambda found: found.distance):
        # Its build, should there be one, is waited for: that is sooner than another.
        with candidate.bench.at_rest() as usable:
            if usable and _copy(candidate.bench, bench):
                return candidate.bench
    return None


def note_kind(bench: Workbench, config: str, compilers: str) -> None:
    """Note what a workbench is for, so that others find it."""
    bench.kind.write_text(f"{config}\n{compilers}")


def _candidates(
    bench: Workbench, wanted: Rows, options: Sequence[Option], config: str, compilers: str
) -> Iterator[_Candidate]:
    for folder in sorted(bench.folder.parent.iterdir()):
        other = Workbench(folder)
        # Hidden is what gc is about to remove.
        if folder == bench.folder or folder.name.startswith(".") or not _is_whole(other):
            continue
        if not _may_start_from(other, bench):
            continue
        with suppress(OSError, LabError, UnicodeDecodeError):
            other_config, _, with_compilers = other.kind.read_text().partition("\n")
            if with_compilers != compilers:
                continue
            files = differing(read_rows(other.manifest), wanted)
            if files <= len(wanted) * _MOST_DIFFERING:
                unlike = (0, 0) if other_config == config else _unlike(other, options)
                yield _Candidate(other, other_config != config, unlike, files)


def _unlike(other: Workbench, options: Sequence[Option]) -> tuple[int, int]:
    """How many options its config has otherwise than asked for, and how many at all."""
    config = parse_config(read_product(other.objects, ".config"))
    unlike = sum(config.get(option.name, "n") != option.value for option in options)
    return unlike, len(config)


def _is_whole(bench: Workbench) -> bool:
    return bench.configured.exists() and bench.manifest.exists() and bench.objects.is_dir()


def _may_start_from(other: Workbench, bench: Workbench) -> bool:
    """Whether nothing ran in its objects that this kernel's own builds would not run.

    What a Makefile or a script of a series left there would be taken for this kernel's.
    """
    return not other.doubted.exists() or _kernel_of(other) == _kernel_of(bench)


def _kernel_of(bench: Workbench) -> str:
    return bench.folder.name.rpartition("-")[0]


def differing(present: Rows, wanted: Rows) -> int:
    """How many files differ between two sources."""
    return len(wanted.items() - present.items()) + len(present.keys() - wanted.keys())


def _copy(source: Workbench, target: Workbench) -> bool:
    """Whether all of ``source`` is in ``target`` now; the manifest comes last."""
    if not (_is_whole(source) and _may_start_from(source, target)):
        return False  # a killed build's rest, or gone or built on since
    if source.doubted.exists():
        target.doubted.touch()
    for folder in (target.source, target.objects):
        remove_tree(folder)
    # A kill may have left files that nobody knows.
    rows = read_rows(source.manifest).items()
    present = {path: row for path, row in rows if row != UNKNOWN}
    place = copy_one if source.own.exists() else link_one
    try:
        place_all(source.source, target.source, list(present), place)
    except FileNotFoundError:
        # What somebody removed there is written here as what is new, and there once it is built on.
        if not (gone := source.miss(present)):
            raise
        lost = frozenset(gone)
        present = {path: row for path, row in present.items() if path not in lost}
        remove_tree(target.source)
        place_all(source.source, target.source, list(present), place)
    # Copies: what is made anew is written into the file that is there, now and then.
    try:
        run(["cp", "-a", "--reflink=auto", source.objects, target.objects], timeout=_COPY_S)
        _rename_in(target.objects, source.folder, target.folder)
    except (RecursionError, PermissionError, ProcessFailed):
        remove_tree(target.objects)
        return False  # folders upon folders, or such that nobody may look into, are no build's
    shutil.copyfile(source.configured, target.configured)
    write_rows(target.manifest, present)
    return True


def _rename_in(objects: Path, old: Path, new: Path) -> None:
    """Let the commands that kbuild saved, and the links, say ``new`` where they say ``old``.

    Their time stamps stay.  Host programs and debug information keep the old name.
    """
    for folder, folders, names in os.walk(objects):
        for name in (*folders, *names):
            path = Path(folder) / name
            if path.is_symlink():
                _rename_link(path, old, new)
            elif path.is_file() and path.stat().st_size <= _LONGEST:
                _rename_text(path, os.fsencode(f"{old}/"), os.fsencode(f"{new}/"))


def _rename_link(path: Path, old: Path, new: Path) -> None:
    target = path.readlink()
    if target.is_relative_to(old):
        path.unlink()
        path.symlink_to(new / target.relative_to(old))


def _rename_text(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    if old in content and b"\0" not in content:
        times = path.stat()
        path.write_bytes(content.replace(old, new))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
