# SPDX-License-Identifier: GPL-2.0-only
"""What a store says of one entry: its files, with their digests as they are and as stored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from lab.arch import ARCH
from lab.process.stored import parse_stored

#: Raised when a lab of before would read it wrong.
FORMAT = 1
#: All that a lab of another layout would look for elsewhere.
_LAYOUT = "lab-1"
#: Where all manifests are, and all contents.
ENTRIES, BLOBS = f"{_LAYOUT}/entries", f"{_LAYOUT}/blobs"
#: Bytes; LTP makes 2,000 programs, of 400 bytes a row.
LONGEST = 4 << 20
_MOST_FILES = 10_000
#: Of a userland's filesystem, the largest that there is.
_LARGEST = 16 << 30
_NAME = re.compile(r"[\w+-][\w.+@~,=-]{0,200}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BadManifest(Exception):
    """It is none, or of something else; says why."""


@dataclass(frozen=True)
class StoredFile:
    """A file of an entry.

    Attributes:
        name: As its folder in the cache has it.
        size, sha256: Of what it holds; ``mode`` is whether it can be run.
        packed: How it is stored.
        stored, blob: Bytes and SHA-256 of it as it is stored.
    """

    name: str
    size: int
    sha256: str
    stored: int
    blob: str
    packed: Literal["", "zstd"] = ""
    runs: bool = False

    @property
    def place(self) -> str:
        """Where its content is in the store."""
        return blob_place(self.blob)


@dataclass(frozen=True)
class Manifest:
    """An entry of a store.

    Attributes:
        kind, key: What it is; the key names all that went into it.
        host, made: Who put it there, and when: for people.
        digest: SHA-256 of all the rest.
    """

    kind: str
    key: str
    files: tuple[StoredFile, ...]
    host: str
    made: str
    digest: str = ""
    format: int = FORMAT

    @property
    def sealed(self) -> Manifest:
        """It with its digest."""
        bare = json.dumps(asdict(replace(self, digest="")), sort_keys=True)
        return replace(self, digest=hashlib.sha256(bare.encode()).hexdigest())

    @property
    def text(self) -> bytes:
        """It as it is stored."""
        return (json.dumps(asdict(self.sealed), indent=1) + "\n").encode()

    def file(self, name: str) -> StoredFile | None:
        """One of its files."""
        return next((file for file in self.files if file.name == name), None)

    @property
    def names(self) -> Sequence[str]:
        """Those of its files."""
        return [file.name for file in self.files]


def blob_place(blob: str) -> str:
    """Where a content is in a store, by its digest."""
    return f"{BLOBS}/{blob[:2]}/{blob}"


def manifest_place(kind: str, key: str) -> str:
    """Where the manifest of an entry is: what one architecture makes is not another's."""
    return f"{ENTRIES}/{ARCH.name}/{kind}/{key}.json"


def read_manifest(content: bytes, kind: str, key: str) -> Manifest:
    """A manifest of an entry.

    Raises:
        BadManifest: It is cut short, changed, of another entry or of a newer lab.
    """
    try:
        found = parse_stored(content, Manifest)
    except ValueError as error:
        raise BadManifest(f"it cannot be read: {error}") from None
    if found.format != FORMAT:
        raise BadManifest(f"format {found.format} is of another lab")
    if found.sealed.digest != found.digest:
        raise BadManifest("it is not what was written")
    if (found.kind, found.key) != (kind, key):
        raise BadManifest(f"it is that of {found.kind} {found.key}")
    for file in found.files:
        _check(file)
    if len(found.files) > _MOST_FILES or len({*found.names}) < len(found.files):
        raise BadManifest("it names a file twice, or too many")
    return found


def _check(file: StoredFile) -> None:
    named = _NAME.fullmatch(file.name) and ".." not in file.name
    digests = _SHA256.fullmatch(file.sha256) and _SHA256.fullmatch(file.blob)
    sizes = 0 <= file.size <= _LARGEST and 0 <= file.stored <= _LARGEST
    if not (named and digests and sizes):
        raise BadManifest(f"its file {file.name[:80]!r} is none that a lab puts there")


def require_files(manifest: Manifest, wanted: Collection[str]) -> None:
    """Raise BadManifest where one of the files is not in it."""
    missing = sorted({*wanted} - {*manifest.names})
    if missing:
        raise BadManifest(f"it has no {missing[0]}")
