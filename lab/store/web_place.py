# SPDX-License-Identifier: GPL-2.0-only
"""``https://HOST/FOLDER``: a store that somebody else fills, to read.

By requests and not by fsspec, whose HTTP wants aiohttp: it has the lab's own limits then.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lab.model.url import Url
from lab.network.http import WebError, answer
from lab.store.place import CHUNK, Beat, Found, Place, PlaceError, Sink

if TYPE_CHECKING:
    import requests

#: Seconds for one file: a tree has 200 MB.
_WITHIN_S = 1800.0


class WebPlace(Place):
    """A folder of a web server's."""

    def __init__(self, url: Url, stall_s: float) -> None:
        self._url = url
        self._stall_s = stall_s

    def open(self) -> None:
        """Nothing: whether it is there the first file tells."""

    def read(self, name: str, most: int) -> bytes:
        """As a Place's."""
        return b"".join(self._pieces(name, most))

    def download(self, name: str, sink: Sink, most: int) -> None:
        """As a Place's."""
        for piece in self._pieces(name, most):
            sink(piece)

    def _pieces(self, name: str, most: int) -> Iterator[bytes]:
        with self._answer("GET", name) as response:
            while most > 0:
                piece = response.raw.read(min(CHUNK, most), decode_content=False)
                if not piece:
                    return
                most -= len(piece)
                yield piece

    def look(self, name: str) -> Found | None:
        """As a Place's."""
        try:
            with self._answer("HEAD", name) as response:
                size = response.headers.get("Content-Length", "")
                when = response.headers.get("Last-Modified", "")
        except FileNotFoundError:
            return None
        changed = parsedate_to_datetime(when).timestamp() if when else 0.0
        return Found(name, int(size) if size.isdecimal() else -1, changed)

    @contextmanager
    def _answer(self, method: str, name: str) -> Iterator[requests.Response]:
        base = self._url.with_secrets.rstrip("/")
        as_it_is = {"Accept-Encoding": "identity"}
        try:
            with answer(
                method,
                Url(f"{base}/{name}"),
                within_s=_WITHIN_S,
                stall_s=self._stall_s,
                headers=as_it_is,
            ) as response:
                _check(response)
                yield response
        except WebError as error:
            raise PlaceError(str(error)) from None

    def upload(self, source: Path, name: str, beat: Beat) -> None:
        """Refused."""
        raise _read_only()

    def create(self, name: str, content: bytes) -> bool:
        """Refused."""
        raise _read_only()

    def walk(self, folder: str) -> Iterator[Found]:
        """Refused: a web server does not say what it has."""
        raise PlaceError(
            "it cannot be listed by HTTP", "the same store by file://, sftp:// or s3://"
        )

    def remove(self, name: str) -> None:
        """Refused."""
        raise _read_only()


def _check(response: requests.Response) -> None:
    status = response.status_code
    if status in (404, 410):
        raise FileNotFoundError(errno.ENOENT, "the server has no such file")
    if status != 200:
        hint = "user and password in ~/.netrc" if status in (401, 403) else ""
        raise PlaceError(f"the server answered {status} {response.reason or ''}".rstrip(), hint)


def _read_only() -> OSError:
    return OSError(errno.EROFS, "a store at https:// is only read")
