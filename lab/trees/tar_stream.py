# SPDX-License-Identifier: GPL-2.0-only
"""The members of a tar that comes through a pipe, at the speed of the decompressor.

tarfile reads a header in 0.1 ms and copies what it reads three times: of 80,000 members
and 1.3 GB that is longer than xz takes beside it.  It still decides what a header means;
only those of plain files and folders, nearly all of a kernel's, are read here.
"""

from __future__ import annotations

import fcntl
import io
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Self

_PIECE = 1 << 20
_CHECKSUM = slice(148, 156)
#: Files and folders; what came before POSIX (a NUL, or names that end with "/") is tarfile's.
_PLAIN = {tarfile.REGTYPE, tarfile.DIRTYPE}
_USTAR = b"ustar"
#: What says more of the next member, and is read into memory; no path has over 4096 bytes.
_ABOUT_THE_NEXT = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_LONGEST = 16 << 10
#: What tarfile (3.11) raises beside its own errors for headers that are cut, or are none.
_NOT_FORESEEN = (ArithmeticError, LookupError, ValueError, TypeError, AttributeError)


class TooMuch(Exception):
    """There is more in it than whoever reads it wants."""


class Stream:
    """A pipe, or a file, that tarfile can read: forward alone, and it knows its place."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        # By default a pipe holds 64 KiB: a switch between two processes for each of them.
        with suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIECE)
        self._file = io.BufferedReader(io.FileIO(stream.fileno(), closefd=False), _PIECE)
        self._place = 0
        self._left = most

    def read(self, size: int) -> bytes:
        """So many bytes, a megabyte at most; fewer at the end alone."""
        if not 0 <= size <= _PIECE:
            raise tarfile.ReadError(f"a header has {size} bytes")
        data = self._file.read(size)
        self._place += len(data)
        if self._place > self._left:
            raise TooMuch
        return data

    def hole(self, size: int) -> None:
        """What is written without being read counts as well."""
        self._left -= size
        if self._place > self._left:
            raise TooMuch

    def tell(self) -> int:
        """How many bytes were read."""
        return self._place

    def seek(self, place: int) -> int:
        """Pass over what is before ``place``."""
        while self._place < place and self.read(min(place - self._place, _PIECE)):
            pass
        return self._place


class _Member(tarfile.TarInfo):
    """A member whose header is read here when it is a plain one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if _is_plain(buf):
            # What is not quite as it should be, tarfile judges.
            with suppress(ValueError):
                return cls._plain(bytes(buf), encoding, errors)
        member = super().frombuf(buf, encoding, errors)
        if member.type in _ABOUT_THE_NEXT and member.size > _LONGEST:
            raise tarfile.ReadError(f"a header has {member.size} bytes")
        return member

    @classmethod
    def _plain(cls, header: bytes, encoding: str, errors: str) -> Self:
        if _octal(header[_CHECKSUM]) != sum(header) - sum(header[_CHECKSUM]) + 8 * 0x20:
            raise ValueError("checksum")
        member = cls(_text(header[345:500], header[:100], encoding, errors))
        member.mode = _octal(header[100:108])
        member.size = _octal(header[124:136])
        if member.size < 0:
            raise ValueError("size")
        member.mtime = _octal(header[136:148])
        member.type = header[156:157]
        if member.isdir():
            member.name = member.name.rstrip("/")
        return member


def _is_plain(header: bytes | bytearray) -> bool:
    return len(header) == tarfile.BLOCKSIZE and header[156:157] in _PLAIN


def _octal(field: bytes) -> int:
    """A number; ValueError for what is no octal digits, such as one in base 256."""
    digits = field.split(b"\0", 1)[0].strip()
    return int(digits, 8) if digits else 0


def _text(prefix: bytes, name: bytes, encoding: str, errors: str) -> str:
    whole = name.split(b"\0", 1)[0]
    if prefix[0]:
        whole = prefix.split(b"\0", 1)[0] + b"/" + whole
    return whole.decode(encoding, errors)


class Members:
    """The members of a tar in order; before the next is asked for, content() gives what is in it.

    Args:
        most: Bytes that are read and given at most.

    Raises:
        tarfile.TarError: It is damaged.
        TooMuch: There are more.
    """

    def __init__(self, stream: IO[bytes], most: int = sys.maxsize) -> None:
        self.stream = Stream(stream, most)
        # ExFileObject and all that writes are not for a pipe, the rest needs no more than this.
        try:
            self._tar = tarfile.TarFile(
                fileobj=self.stream,  # type: ignore[arg-type]
                tarinfo=_Member,
                encoding="utf-8",
                errors="surrogateescape",
            )
        except _NOT_FORESEEN as error:
            raise _unread(error) from None

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        while (member := self._next()) is not None:
            yield member
            self._tar.members.clear()  # type: ignore[attr-defined]  # 80,000 are 80 MB

    def _next(self) -> tarfile.TarInfo | None:
        try:
            return self._tar.next()
        except _NOT_FORESEEN as error:
            raise _unread(error) from None

    def content(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """What is in a file, in pieces of a megabyte at most; nothing for an empty one."""
        place = 0
        pieces = [(0, member.size)]
        if getattr(member, "sparse", None) is not None:
            pieces = self._pieces(member)
        for start, size in pieces:
            yield from _zeros(start - place)
            yield from self._stored(size)
            place = start + size
        yield from _zeros(member.size - place)

    def _pieces(self, member: tarfile.TarInfo) -> list[tuple[int, int]]:
        """Where a file with holes has something; GNU's four fields that are not used say 0, 0."""
        sparse: list[tuple[int, int]] = member.sparse  # type: ignore[assignment]
        pieces = [(start, size) for start, size in sparse if size]
        place = 0
        for start, size in pieces:
            if size < 0 or start < place:
                raise tarfile.ReadError("a file's holes are in disorder")
            place = start + size
        if place > member.size:
            raise tarfile.ReadError("a file is smaller than what it holds")
        self.stream.hole(member.size - sum(size for _, size in pieces))
        return pieces

    def _stored(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self.stream.read(min(left, _PIECE))
            if not piece:
                raise tarfile.ReadError("unexpected end of data")
            left -= len(piece)
            yield piece


def _unread(error: Exception) -> tarfile.ReadError:
    return tarfile.ReadError(f"a header cannot be read: {error}")


def _zeros(left: int) -> Iterator[bytes]:
    """A hole, of a file that was packed with ``tar -S``."""
    while left > 0:
        yield bytes(min(left, _PIECE))
        left -= _PIECE
