# SPDX-License-Identifier: GPL-2.0-only
"""``file:///FOLDER``: a folder of this machine, or one that others have mounted too."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fsspec.implementations.local import LocalFileSystem

from lab.store.fsspec_place import FsspecPlace


class FolderPlace(FsspecPlace):
    """A folder."""

    def _filesystem(self) -> Any:
        return LocalFileSystem(skip_instance_cache=True)

    @property
    def _root(self) -> str:
        return unquote(self._url.without_credentials.removeprefix("file://")).rstrip("/")

    def _replace(self, beside: str, path: str) -> None:
        _sync(beside)
        # fsspec's own copies a file where a rename fails.
        Path(beside).replace(path)

    def _give_name(self, beside: str, path: str) -> bool:
        _sync(beside)
        try:
            Path(path).hardlink_to(beside)
        except FileExistsError:
            return False
        except OSError:
            return _without_links(beside, path)
        return True


def _without_links(beside: str, path: str) -> bool:
    """Of a filesystem that has no second names (vfat): a kill may leave a part, which is seen."""
    try:
        with Path(path).open("xb") as file:
            file.write(Path(beside).read_bytes())
    except FileExistsError:
        return False
    return True


def _sync(path: str) -> None:
    # A name must not come to the disk before what it names.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
