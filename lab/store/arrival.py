# SPDX-License-Identifier: GPL-2.0-only
"""A file that comes from a store: written, and its digest taken on the way."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

from lab.store.door import Here
from lab.store.manifest import StoredFile
from lab.store.place import Beat, Place


class Arrival:
    """One file.

    Attributes:
        got: Bytes that came, and their SHA-256.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.got = (0, "")

    def take(self, place: Place, file: StoredFile, beat: Beat) -> None:
        """Write it, and one byte more at most than it should have."""
        digest, size = hashlib.sha256(), 0
        with self._opened() as stream:

            def sink(piece: bytes) -> None:
                nonlocal size
                try:
                    stream.write(piece)
                except OSError as error:
                    raise Here(error) from None
                digest.update(piece)
                size += len(piece)
                beat(len(piece))

            place.download(file.place, sink, file.stored + 1)
        self.got = (size, digest.hexdigest())

    def _opened(self) -> IO[bytes]:
        try:
            return self._path.open("wb", buffering=0)
        except OSError as error:
            raise Here(error) from None
