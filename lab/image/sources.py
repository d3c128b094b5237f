# SPDX-License-Identifier: GPL-2.0-only
"""Remembers what an image was made from, so that nothing is read while nothing changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lab.process.scratch import write_whole
from lab.process.seal import file_digest

_RECORD = "sources.json"

Stamp = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp | None:
    """What changes with a file's content: size, inode, mtime and ctime (ns); None if gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


class Reader:
    """Reads files and keeps the stamp each had before it was read."""

    def __init__(self) -> None:
        self.stamps: dict[str, Stamp | None] = {}

    def read(self, path: Path) -> bytes:
        """The file's content; raises OSError."""
        # A change while it is being read must be seen next time: stamp first.
        self.stamps[str(path)] = stamp(path)
        return path.read_bytes()


def recipe_digest(folder: Path, tools: Mapping[str, Path]) -> str:
    """SHA-256 over the image's own sources in ``folder``, and where each tool is."""
    digest = hashlib.sha256()
    for source in sorted(folder.iterdir()):
        if source.is_file():
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    for name, path in tools.items():
        digest.update(f"{name}={path}\0".encode())
    return digest.hexdigest()


def up_to_date(folder: Path, recipe: str) -> Path | None:
    """The stored image, when the recipe and every source are as they were."""
    try:
        record = json.loads((folder / _RECORD).read_text())
        if record["recipe"] != recipe:
            return None
        image = folder / record["image"]
        changed = (
            _stamp_list(image) != record["stamp"]
            or any(_stamp_list(Path(path)) != known for path, known in record["sources"].items())
            # A disk changes what is in a file and leaves its stat alone.
            or file_digest(image) != image.stem
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if changed else image


def store(folder: Path, recipe: str, reader: Reader, archive: bytes) -> Path:
    """Put ``archive`` into ``folder`` under its digest; raises OSError."""
    image = folder / f"{hashlib.sha256(archive).hexdigest()}.cpio"
    write_whole(image, archive)
    record = {
        "recipe": recipe,
        "image": image.name,
        "stamp": stamp(image),
        "sources": reader.stamps,
    }
    write_whole(folder / _RECORD, json.dumps(record, indent=1).encode())
    return image


def _stamp_list(path: Path) -> list[int] | None:
    known = stamp(path)
    return None if known is None else list(known)
