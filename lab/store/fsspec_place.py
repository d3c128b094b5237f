# SPDX-License-Identifier: GPL-2.0-only
"""What all places have in common that fsspec reaches."""

from __future__ import annotations

import errno
import secrets
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.model.url import Url
from lab.store.place import CHUNK, Beat, Found, Place, PlaceError, Sink

#: How the name of a file ends that is not whole yet.
PART = ".part"
#: Folders from the store's own to a file's.
_DEEPEST = 5


class FsspecPlace(Place):
    """A folder of a filesystem of fsspec's."""

    #: Bytes that are read or written at once: none are told to have moved before all have.
    _piece = CHUNK

    def __init__(self, url: Url, stall_s: float) -> None:
        self._url = url
        self._stall_s = stall_s
        self._fs: Any = None

    @abstractmethod
    def _filesystem(self) -> Any:
        """The filesystem, reached."""

    @property
    @abstractmethod
    def _root(self) -> str:
        """The store's folder there."""

    def open(self) -> None:
        """Reach it; its folder is nobody's to make: a disk may not be mounted."""
        self._fs = self._filesystem()
        # Not isdir(): what cannot be asked is no folder to that.
        try:
            self._require_folder()
        except FileNotFoundError:
            raise PlaceError(f"there is no folder {self._root}", self._hint) from None

    def _require_folder(self) -> None:
        if self._fs.info(self._root)["type"] != "directory":
            raise PlaceError(f"{self._root} is no folder")

    @property
    def _hint(self) -> str:
        return f"mkdir {self._root}, if that is where it is to be; or mount it"

    def read(self, name: str, most: int) -> bytes:
        """As a Place's."""
        with self._fs.open(self._path(name), "rb") as stream:
            return b"".join(self._pieces(stream, most))

    def download(self, name: str, sink: Sink, most: int) -> None:
        """As a Place's."""
        with self._reading(name) as stream:
            for piece in self._pieces(stream, most):
                sink(piece)

    def _pieces(self, stream: Any, most: int) -> Iterator[bytes]:
        while most > 0 and (piece := stream.read(min(self._piece, most))):
            most -= len(piece)
            yield bytes(piece)

    def _reading(self, name: str) -> Any:
        return self._fs.open(self._path(name), "rb")

    def look(self, name: str) -> Found | None:
        """As a Place's."""
        try:
            return self._found(self._fs.info(self._path(name)))
        except FileNotFoundError:
            return None

    def upload(self, source: Path, name: str, beat: Beat) -> None:
        """Written beside its name, and renamed."""
        path = self._path(name)
        beside = self._beside(path)
        try:
            with source.open("rb") as file, self._writing(beside) as stream:
                while piece := file.read(self._piece):
                    stream.write(piece)
                    beat(len(piece))
            self._require_whole(beside, source.stat().st_size)
            self._replace(beside, path)
        except BaseException:
            self._forget(beside)
            raise

    def create(self, name: str, content: bytes) -> bool:
        """Written beside its name, and given that if nobody has it."""
        path = self._path(name)
        beside = self._beside(path)
        try:
            with self._writing(beside) as stream:
                stream.write(content)
            self._require_whole(beside, len(content))
            return self._give_name(beside, path)
        finally:
            self._forget(beside)

    def _writing(self, path: str) -> Any:
        self._make_folder(path.rpartition("/")[0])
        return self._fs.open(path, "wb")

    def _make_folder(self, folder: str) -> None:
        for _ in range(_DEEPEST):
            try:
                self._fs.makedirs(folder, exist_ok=True)
            except OSError as error:
                # Another may have made one on the way there meanwhile.
                trouble = error
            else:
                return
        if not self._fs.isdir(folder):
            raise trouble

    def _require_whole(self, path: str, size: int) -> None:
        """Raise OSError where not all is there: SFTP's last writes tell nobody that they failed."""
        kept = self._fs.info(path)["size"]
        if kept != size:
            raise OSError(errno.ENOSPC, f"it kept {kept} of {size} bytes")

    @abstractmethod
    def _replace(self, beside: str, path: str) -> None:
        """Rename a file, over one that may be there."""

    @abstractmethod
    def _give_name(self, beside: str, path: str) -> bool:
        """Give a file a name that none has; False where one has it."""

    def _forget(self, path: str) -> None:
        with suppress(Exception):
            self._fs.rm_file(path)

    def walk(self, folder: str) -> Iterator[Found]:
        """As a Place's; not find(), which passes over what it cannot list."""
        folders = [self._path(folder)]
        while folders:
            try:
                listed = self._fs.ls(folders.pop(), detail=True)
            except FileNotFoundError:
                continue
            for info in listed:
                if info["type"] == "directory":
                    folders.append(info["name"])
                elif info["type"] == "file":
                    yield self._found(info)

    def remove(self, name: str) -> None:
        """As a Place's."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _beside(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return f"{folder}/.{name}.{secrets.token_hex(6)}{PART}"

    def _found(self, info: dict[str, Any]) -> Found:
        name = str(info["name"])
        # Some filesystems give their paths without the first "/".
        start = name.index(self._root.strip("/")) + len(self._root.strip("/"))
        return Found(name[start:].lstrip("/"), int(info["size"] or 0), self._changed(info))

    def _changed(self, info: dict[str, Any]) -> float:
        mtime = info["mtime"]
        return float(mtime.timestamp() if hasattr(mtime, "timestamp") else mtime)
