# SPDX-License-Identifier: GPL-2.0-only
"""Damage to files, as disks, power cuts and hands do it; never to a file that others share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from random import Random

from lab.process.sparse import data_ranges

#: Bytes, of which a file is not read as a whole.
_LARGE = 64 << 20
_SHAPES = (b"", b"[]", b"null", b"{}", b'{"identity": 3}', b"\xff\xfe\0\0", b"\0" * 5000)
#: What is not worth a round: thousands of the same.
_MANY = frozenset({"source", "report"})


def victims(folder: Path, spared: Collection[str] = ()) -> dict[str, list[Path]]:
    """The files below a folder by what they are, so that each kind has the same chance."""
    kinds: dict[str, list[Path]] = {}
    for path in _files(folder):
        parts = path.relative_to(folder).parts
        if parts[0] in spared:
            continue
        kinds.setdefault(_kind(parts), []).append(path)
    return kinds


def _kind(parts: tuple[str, ...]) -> str:
    # Each of git's objects has a name of its own.
    name = "objects" if "objects" in parts else parts[-1] if len(parts) > 1 else ""
    return f"{parts[0]}/{name}"


def _files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if not _MANY & {*inside} and path.is_file() and not path.is_symlink():
            yield path


def injure(path: Path, chance: Random) -> str:
    """Damage a file; says how."""
    how = chance.choice(("truncated", "flipped", "flipped", "emptied", "removed", "replaced"))
    if how == "removed":
        path.unlink()
        return how
    if how == "flipped" and path.stat().st_size > _LARGE:
        _flip_in_place(path, chance)
        return how
    content = bytearray(path.read_bytes()) if how in ("truncated", "flipped") else bytearray()
    if how == "truncated" and content:
        del content[chance.randrange(len(content)) :]
    elif how == "flipped" and content:
        for _ in range(chance.choice((1, 16, 200))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif how == "replaced":
        content = bytearray(chance.choice(_SHAPES))
    _put(path, bytes(content))
    return how


def _flip_in_place(path: Path, chance: Random) -> None:
    """Bits of what a sparse file holds, a guest's memory: a hole is a gigabyte of nothing."""
    assert path.stat().st_nlink == 1
    with path.open("r+b") as stream:
        ranges = list(data_ranges(stream.fileno()))
        for _ in range(200):
            at = chance.randrange(*chance.choice(ranges))
            byte = os.pread(stream.fileno(), 1, at)[0]
            os.pwrite(stream.fileno(), bytes([byte ^ 1 << chance.randrange(8)]), at)


def _put(path: Path, content: bytes) -> None:
    """Another file at its place: what else is linked to the old one keeps what it has."""
    beside = path.with_name(f"{path.name}~injured")
    beside.write_bytes(content)
    shutil.copystat(path, beside)
    beside.replace(path)
