# SPDX-License-Identifier: GPL-2.0-only
"""Download a file whose digest is known, going on where an earlier try stopped."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lab.errors import InfrastructureError, Location, UserError
from lab.model.url import Url
from lab.trees.request import ELSEWHERE, Request

if TYPE_CHECKING:
    import requests

_READ_S = 60.0
#: Bytes; a kernel's tar, not compressed, has 1.7 GB.
_MOST = 4 << 30
#: Digits that RFC 9110 has in mind, and no more of them than a size can have.
#: Of what a header may say (RFC 9110, 5.5).
_TAG = re.compile(rb"[!-~][ -~]{0,1000}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_CHUNK = 1 << 18
_TELL_EVERY_S = 10.0
_TRY_AGAIN = {408, 425, 429}
_CREDENTIALS = "user and password in ~/.netrc, or https://USER:PASSWORD@HOST/ in lab.local.toml"


class _CutShort(Exception):
    """It may work when it is tried again."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wrong_digest(name: str, wanted: str, got: str, request: Request) -> UserError:
    """The error for a file that is not the one ``lab.toml`` speaks of."""
    return UserError(
        f"{name} is not the file wanted: its sha256 is {got}, not {wanted}",
        where=request.where("sha256"),
        hint="compare both with what the publisher signed",
    )


def get_small(url: Url, limit: int, request: Request, key: str) -> bytes:
    """The file at ``url``, of ``limit`` bytes at most; ``key`` of the config names it.

    Raises:
        UserError: The server has no such file, or a larger one.
        InfrastructureError: It cannot be had before the deadline.
    """

    def attempt() -> bytes:
        with _answer(url, {}, request, key) as response:
            _check_status(response, url, request.where(key))
            content: bytes = response.raw.read(limit + 1, decode_content=False)
            return content

    content = _persist(attempt, url, request)
    if len(content) > limit:
        raise UserError(f"{url} has more than {limit} bytes", where=request.where(key))
    return content


_T = TypeVar("_T")


def _persist(attempt: Callable[[], _T], url: Url, request: Request) -> _T:
    """What ``attempt`` returns, tried again for as long as it is cut short."""
    for pause in (*_PAUSES_S, None):
        try:
            return attempt()
        except _CutShort as error:
            if pause is None:
                raise InfrastructureError(
                    f"cannot download {url}: {error}",
                    where=request.where("url"),
                    hint=f"lab fetch {request.name}, which goes on from there; or {ELSEWHERE}",
                ) from None
            request.say(f"{error}; trying again")
            time.sleep(min(pause, request.left()))
    raise AssertionError("the last try returns or raises")


@contextmanager
def _answer(
    url: Url, headers: Mapping[str, str], request: Request, key: str
) -> Iterator[requests.Response]:
    """What a server answers, its body not read yet; network trouble is ``_CutShort``."""
    # 2 ms, which a tree that is there need not wait for.
    from lab.network.http import WebError, answer

    # The digest is of the file as it is: nobody shall compress it again.
    as_it_is = {"Accept-Encoding": "identity", **headers}
    try:
        with answer(
            "GET", url, within_s=request.left(), stall_s=_READ_S, headers=as_it_is
        ) as response:
            yield response
    except WebError as error:
        if error.again:
            raise _CutShort(str(error)) from None
        raise UserError(f"{url}: {error}", where=request.where(key)) from None


def _check_status(response: requests.Response, url: Url, where: Location) -> None:
    status = response.status_code
    said = f"the server answered {status} {url.scrub(response.reason or '')}".rstrip()
    if status in _TRY_AGAIN or status >= 500:
        raise _CutShort(said)
    if status != 200:
        hint = _CREDENTIALS if status in (401, 403) else None
        raise UserError(f"{url}: {said}", where=where, hint=hint)


@dataclass(frozen=True)
class Download:
    """The file at ``url``, kept in ``folder`` until ``forget``."""

    url: Url
    sha256: str
    folder: Path
    request: Request

    @property
    def part(self) -> Path:
        """What there is of the file so far."""
        return self.folder / f"{self.sha256}.part"

    @property
    def _validator(self) -> Path:
        return self.part.with_suffix(".validator")

    def get(self) -> Path:
        """Download what is missing, check the digest, give the file.

        Raises:
            UserError: The server has no such file, or another one.
            InfrastructureError: It cannot be had before the deadline.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._size() and sha256_of(self.part) == self.sha256:
            return self.part
        resumed = self._transfer()
        got = sha256_of(self.part)
        if got != self.sha256 and resumed:
            # The two halves may be of two files.
            self.forget()
            self._transfer()
            got = sha256_of(self.part)
        if got != self.sha256:
            self.forget()
            raise wrong_digest(str(self.url), self.sha256, got, self.request)
        return self.part

    def forget(self) -> None:
        """Remove the file."""
        self.part.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    def _size(self) -> int:
        with suppress(FileNotFoundError):
            return self.part.stat().st_size
        return 0

    def _transfer(self) -> bool:
        """Get all of the file; gives whether a part was there before."""
        return _persist(self._attempt, self.url, self.request)

    def _attempt(self) -> bool:
        with _answer(self.url, self._range(), self.request, "url") as response:
            return self._receive(response)

    def _range(self) -> dict[str, str]:
        if not self._size():
            return {}
        headers = {"Range": f"bytes={self._size()}-"}
        with suppress(FileNotFoundError):
            kept = self._validator.read_bytes()
            # Damaged it would be refused each time; with any other the file comes anew.
            headers["If-Range"] = kept.decode() if _TAG.fullmatch(kept) else '"none"'
        return headers

    def _receive(self, response: requests.Response) -> bool:
        import urllib3

        begin = self._begin(response)
        length = response.headers.get("Content-Length", "")
        total = begin + int(length) if _LENGTH.fullmatch(length) else None
        if total is not None and total > _MOST:
            raise self._too_large()
        self._remember_validator(response)
        try:
            self._save(response, begin, total)
        except urllib3.exceptions.ProtocolError:
            if total is None:
                raise
        if total is not None and self._size() < total:
            raise _CutShort(f"got {self._size()} of {total} bytes")
        return begin > 0

    def _begin(self, response: requests.Response) -> int:
        """Where in the file the response's body begins (RFC 9110, 14 and 15)."""
        status = response.status_code
        if status == 206:
            begin = self._size()
            if response.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
                return begin
        if status in (206, 416):
            self.forget()
            raise _CutShort("the server sent another range than was asked for")
        _check_status(response, self.url, self.request.where("url"))
        return 0

    def _remember_validator(self, response: requests.Response) -> None:
        # If-Range takes no weak tag (RFC 9110, 13.1.5).
        tag = response.headers.get("ETag", "")
        validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
        if validator:
            self._validator.write_text(validator)
        else:
            self._validator.unlink(missing_ok=True)

    def _save(self, response: requests.Response, begin: int, total: int | None) -> None:
        tell = time.monotonic() + _TELL_EVERY_S
        size = f" of {total / 1e6:.0f}" if total else ""
        with self.part.open("r+b" if begin else "wb") as file:
            file.seek(begin)
            while chunk := response.raw.read(_CHUNK, decode_content=False):
                file.write(chunk)
                if file.tell() > _MOST:
                    raise self._too_large()
                self.request.left()
                if time.monotonic() > tell:
                    tell += _TELL_EVERY_S
                    self.request.say(f"{file.tell() / 1e6:.0f}{size} MB")

    def _too_large(self) -> UserError:
        """The error for what goes on and on; nothing of it is kept."""
        self.forget()
        return UserError(
            f"{self.url} has more than {_MOST / 1e9:.1f} GB: that is no kernel",
            where=self.request.where("url"),
            hint=ELSEWHERE,
        )
