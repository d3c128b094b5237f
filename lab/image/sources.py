# SPDX-License-Identifier: GPL-2.0-only
"""Remembers what an image was made from, so that nothing is read while nothing changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.process.scratch import write_whole
from lab.process.seal import file_digest
from lab.process.stamp import Stamp, stamp
from lab.process.stored import read_stored

_RECORD = "sources.json"


@dataclass(frozen=True)
class _Record:
    """What the newest image was made from."""

    recipe: str
    image: str
    stamp: Stamp | None
    sources: Mapping[str, Stamp | None]


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
    record = read_stored(folder / _RECORD, _Record)
    if record is None or record.recipe != recipe or Path(record.image).name != record.image:
        return None
    image = folder / record.image
    changed = stamp(image) != record.stamp or any(
        _stamp_of(path) != known for path, known in record.sources.items()
    )
    return None if changed or not _is_what_it_was(image) else image


def _is_what_it_was(image: Path) -> bool:
    # A disk changes what is in a file and leaves its stat alone.
    try:
        return file_digest(image) == image.stem
    except OSError:
        return False


def store(folder: Path, recipe: str, reader: Reader, archive: bytes) -> Path:
    """Put ``archive`` into ``folder`` under its digest; raises OSError."""
    image = folder / f"{hashlib.sha256(archive).hexdigest()}.cpio"
    write_whole(image, archive)
    record = _Record(recipe, image.name, stamp(image), reader.stamps)
    write_whole(folder / _RECORD, json.dumps(asdict(record), indent=1).encode())
    return image


def _stamp_of(path: str) -> Stamp | None:
    # A name with a NUL is no file's.
    return None if "\0" in path else stamp(Path(path))
