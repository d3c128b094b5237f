# SPDX-License-Identifier: GPL-2.0-only
"""All that a store has: its entries, whole or not, and what belongs to none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lab.store.door import Door
from lab.store.fsspec_place import PART
from lab.store.manifest import (
    BLOBS,
    ENTRIES,
    LONGEST,
    BadManifest,
    Manifest,
    StoredFile,
    read_manifest,
)
from lab.store.place import Beat, Found, Place


@dataclass(frozen=True)
class Entry:
    """A manifest, and what is wrong with it.

    Attributes:
        found: Its file in the store.
        kind, key: As that is called.
        manifest: None where it cannot be read.
        trouble: "" where nothing is, as far as somebody looked.
    """

    found: Found
    kind: str
    key: str
    manifest: Manifest | None = None
    trouble: str = ""

    @property
    def size(self) -> int:
        """Bytes of all that it names, as it is stored."""
        files = self.manifest.files if self.manifest else ()
        return sum(file.stored for file in files)


@dataclass(frozen=True)
class Inventory:
    """What was found.

    Attributes:
        entries: By kind and key.
        blobs: Contents, by their names; ``parts`` are those that are not whole yet.
    """

    entries: tuple[Entry, ...]
    blobs: dict[str, Found] = field(default_factory=dict)
    parts: tuple[Found, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(found.size for found in (*self.blobs.values(), *self.parts))

    def named_by(self, entries: Iterator[Entry]) -> set[str]:
        """The contents that some entries name."""
        return {file.place for entry in entries if entry.manifest for file in entry.manifest.files}


def take_inventory(door: Door) -> Inventory:
    """Look at all manifests, and at the sizes of what they name.

    Raises:
        Unusable: The store cannot be looked at; nothing is known of it then.
    """
    listed = door.do(lambda place, beat: list(_beating(place.walk(BLOBS), beat)))
    blobs = {found.name: found for found in listed if not found.name.endswith(PART)}
    manifests = door.do(lambda place, beat: list(_beating(place.walk(ENTRIES), beat)))
    entries = [_entry(door, found, blobs) for found in manifests if not _is_part(found)]
    parts = tuple(found for found in (*listed, *manifests) if _is_part(found))
    return Inventory(tuple(sorted(entries, key=lambda one: (one.kind, one.key))), blobs, parts)


def _beating(files: Iterator[Found], beat: Beat) -> Iterator[Found]:
    for found in files:
        beat(0)
        yield found


def _is_part(found: Found) -> bool:
    return found.name.endswith(PART)


def _entry(door: Door, found: Found, blobs: dict[str, Found]) -> Entry:
    *_, kind, name = found.name.split("/")
    entry = Entry(found, kind, name.removesuffix(".json"))
    try:
        content = door.do(lambda place, _: place.read(found.name, LONGEST + 1))
        manifest = read_manifest(content, kind, entry.key)
    except FileNotFoundError:
        return replace(entry, trouble="it went away")
    except BadManifest as error:
        return replace(entry, trouble=f"its manifest: {error}")
    trouble = next((why for file in manifest.files if (why := _missing(file, blobs))), "")
    return replace(entry, manifest=manifest, trouble=trouble)


def _missing(file: StoredFile, blobs: dict[str, Found]) -> str:
    there = blobs.get(file.place)
    if there is None:
        return f"the content of its {file.name} is gone"
    return "" if there.size == file.stored else f"its {file.name} is not whole"


def with_contents_read(door: Door, entry: Entry, known: dict[str, str]) -> Entry:
    """An entry, after all that it names was read and compared with its digest.

    Args:
        known: What is wrong with contents that were read already, by their names.
    """
    for file in entry.manifest.files if entry.manifest and not entry.trouble else ():
        if file.place not in known:
            known[file.place] = _read(door, file)
        if known[file.place]:
            return replace(entry, trouble=f"its {file.name} {known[file.place]}")
    return entry


def _read(door: Door, file: StoredFile) -> str:
    digest = hashlib.sha256()

    def take(place: Place, beat: Beat) -> None:
        def sink(piece: bytes) -> None:
            digest.update(piece)
            beat(len(piece))

        place.download(file.place, sink, file.stored + 1)

    try:
        door.do(take)
    except FileNotFoundError:
        return "is gone"
    return "" if digest.hexdigest() == file.blob else "is not what was put there"
