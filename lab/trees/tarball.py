# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are a tar archive, here or on a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.config.model import TarballKernel
from lab.errors import UserError
from lab.trees.download import Download, sha256_of, wrong_digest
from lab.trees.lock import locked
from lab.trees.request import Request
from lab.trees.unpack import unpack


class TarballSource:
    """A tar archive with a known digest, checked before anything reads it."""

    def __init__(self, kernel: TarballKernel, request: Request) -> None:
        self._kernel = kernel
        self._request = request

    def identify(self) -> str:
        """The digest that ``lab.toml`` gives."""
        return f"tarball:{self._kernel.sha256}"

    def write(self, source: Path, work: Path) -> Mapping[str, str]:
        """Check it and unpack it; downloaded archives are removed after that."""
        if self._kernel.url.startswith(("http://", "https://")):
            self._from_server(source)
        else:
            self._from_disk(source)
        return {"url": self._kernel.url, "sha256": self._kernel.sha256}

    def _from_server(self, source: Path) -> None:
        request, folder = self._request, self._request.cache / "downloads"
        download = Download(self._kernel.url, self._kernel.sha256, folder, request)
        # Two kernels may name the same archive.
        with locked(folder / f".lock-{download.sha256}", request, "downloading it"):
            request.say(f"downloading {download.url}")
            archive = download.get()
            self._unpack(archive, source)
            download.forget()

    def _from_disk(self, source: Path) -> None:
        name = self._kernel.url.removeprefix("file://")
        archive = self._request.path(Path(name), "url")
        if not archive.is_file():
            raise UserError(f"there is no file {archive}", where=self._request.where("url"))
        got = sha256_of(archive)
        if got != self._kernel.sha256:
            raise wrong_digest(str(archive), self._kernel.sha256, got, self._request)
        self._unpack(archive, source)

    def _unpack(self, archive: Path, source: Path) -> None:
        self._request.say("unpacking")
        unpack(archive, source, self._request, self._request.where("url"))
