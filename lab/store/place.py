# SPDX-License-Identifier: GPL-2.0-only
"""Where a store lies: files by name, whatever brings them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.model.maker import made_by
from lab.model.url import Url

#: Told the number of bytes that have moved, each time some have.
Beat = Callable[[int], None]
#: Takes what comes, piece by piece.
Sink = Callable[[bytes], object]
#: Bytes that are read or written at once.
CHUNK = 1 << 20


class PlaceError(Exception):
    """A place cannot be used at all; says why, without secrets, and what to do next."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


@dataclass(frozen=True)
class Found:
    """A file of a place.

    Attributes:
        name: Its path from the store's own folder.
        size: Bytes.
        changed: When it was written, in seconds since 1970 by the place's clock.
    """

    name: str
    size: int
    changed: float


class Place(Protocol):
    """Files by names such as ``blobs/ab/abcdef``.

    All raise OSError for what the place refuses or cannot do, FileNotFoundError for what is not
    there, and PlaceError when it cannot be reached.
    """

    def open(self) -> None:
        """Reach it; raises PlaceError where there is none."""

    def read(self, name: str, most: int) -> bytes:
        """A small file's content, and no more than ``most`` bytes of it."""

    def download(self, name: str, sink: Sink, most: int) -> None:
        """Give a file's content to ``sink``: no more than ``most`` bytes of it."""

    def look(self, name: str) -> Found | None:
        """A file; None where there is none."""

    def upload(self, source: Path, name: str, beat: Beat) -> None:
        """Put a file there, whole or not at all; one of that name is replaced."""

    def create(self, name: str, content: bytes) -> bool:
        """Put a small file there, whole or not at all; False where one of that name is."""

    def walk(self, folder: str) -> Iterator[Found]:
        """All files below a folder; nothing where there is none."""

    def remove(self, name: str) -> None:
        """Remove a file; nothing where there is none."""


_HERE = __name__.rpartition(".")[0]

#: ``MODULE:NAME`` of what makes a Place of a URL, by how that begins.
PLACES: dict[str, str] = {
    "file": f"{_HERE}.folder_place:FolderPlace",
    "sftp": f"{_HERE}.sftp_place:SftpPlace",
    "s3": f"{_HERE}.s3_place:S3Place",
    "https": f"{_HERE}.web_place:WebPlace",
    "http": f"{_HERE}.web_place:WebPlace",
}


def place_at(url: Url, stall_s: float) -> Place:
    """The place of a URL; nothing is asked of it yet.

    Args:
        stall_s: Seconds for which it may say nothing.
    """
    found: Place = made_by(PLACES[url.scheme])(url, stall_s)
    return found
