# SPDX-License-Identifier: GPL-2.0-only
"""Unpack a tar archive without letting it out of its folder."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lab.errors import Location, UserError
from lab.process import spawn
from lab.trees.manifest import SYMLINK, Entry, begin_blob, blob_digest
from lab.trees.request import Request
from lab.trees.tar_stream import Members, TooMuch

# The first bytes say what it is; a file's name may say anything.
_DECOMPRESSORS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
#: On all CPUs, where the archive was made for that; xz does so by itself from 5.6 on.
#: Its largest dictionary is 4 GiB, of the largest preset 64 MiB.
_OPTIONS = {"xz": ("-T0", "--memlimit-decompress=2GiB")}
_CHUNK = 1 << 20
#: A kernel's tar has 1.7 GB, in xz a twelfth of that; small ones may be of one long text.
_MOST = 8 << 30
_RATIO = 100
_SMALL = 64 << 20
#: Of files, and of folders in a folder: 7.2 has 95,000 and 12.
_FILES = 1_000_000
_DEEPEST = 100
_SHOWN = 200
#: What the kernel says of a name (path_resolution(7)); the archive's fault, not the disk's.
_NO_NAME = {errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.ENOTDIR, errno.EILSEQ}
_NO_NAME |= {errno.EMLINK, errno.EISDIR}


def unpack(
    archive: Path, source: Path, request: Request, where: Location | Path
) -> Mapping[str, Entry]:
    """Unpack ``archive`` so that the folder it wraps everything in becomes ``source``.

    Modes are reduced to what git keeps, times in the future to now.

    Args:
        where: What to blame when the archive is bad.

    Returns:
        The manifest of ``source``: what was written is not read again for that.

    Raises:
        UserError: It is damaged, or a member would end up outside.
    """
    wrapped = source.with_name(f"{source.name}.unpacked")
    wrapped.mkdir()
    unpacker = _Unpacker(wrapped, where)
    most = min(_MOST, _SMALL + _RATIO * archive.stat().st_size)
    try:
        with _opened(archive) as stream:
            members = Members(stream, most)
            for member in members:
                request.left()
                unpacker.place(members, member)
            _read_to_end(members)
        inner = _inner(wrapped)
        unpacker.check_links(inner, request)
    except TooMuch:
        raise _bomb(archive, most, where) from None
    except RecursionError:
        # Of tarfile, by headers about headers.
        raise _damaged(archive, "one thing leads to the next too often", where) from None
    except (tarfile.TarError, EOFError, _Damaged) as error:
        raise _damaged(archive, error, where) from None
    inner.rename(source)
    if inner == wrapped:
        return unpacker.entries
    wrapped.rmdir()
    return {path.partition("/")[2]: entry for path, entry in unpacker.entries.items()}


def _read_to_end(members: Members) -> None:
    """Read what follows the last member: zeros, and the checksum of the compression."""
    while rest := members.stream.read(_CHUNK):
        # tarfile takes a damaged header for the end.
        if rest.strip(b"\0"):
            raise _Damaged("a member's header is not valid")


class _Damaged(Exception):
    """The decompressor said so."""


@contextmanager
def uncompressed(archive: Path, where: Location | Path) -> Iterator[IO[bytes]]:
    """The tar in ``archive``, to be read to its end; raises UserError when it is damaged."""
    try:
        with _opened(archive) as stream:
            yield stream
    except _Damaged as error:
        raise _damaged(archive, error, where) from None


def _bomb(archive: Path, most: int, where: Location | Path) -> UserError:
    return UserError(
        f"the archive {archive.name} holds more than {most / 1e6:.0f} MB, where a kernel's source "
        f"has {_MOST >> 30} GiB and {_RATIO} times its archive's size at most",
        where=where,
        hint="look at it with tar tv: it is no kernel's, or made to fill a disk",
    )


def _damaged(archive: Path, error: Exception | str, where: Location | Path) -> UserError:
    return UserError(f"the archive {archive.name} is damaged: {error}", where=where)


@contextmanager
def _opened(archive: Path) -> Iterator[IO[bytes]]:
    # Not buffered: the child goes on reading where this process stopped.
    with archive.open("rb", buffering=0) as file:
        head = file.read(8)
        file.seek(0)
        tool = next((tool for magic, tool in _DECOMPRESSORS.items() if head.startswith(magic)), "")
        if not tool:
            yield file
            return
        with _decompressed(tool, file) as stream:
            yield stream


@contextmanager
def _decompressed(tool: str, file: IO[bytes]) -> Iterator[IO[bytes]]:
    options = _OPTIONS.get(tool, ())
    # Another process: it runs beside the unpacking, and Python 3.11 knows no zstd.
    with (
        tempfile.TemporaryFile() as said,
        spawn([tool, *options, "-dc"], stdin=file, stdout=subprocess.PIPE, stderr=said) as child,
    ):
        try:
            yield child.stdout
            if child.wait() == 0:
                return
            reason = f"{tool} ended with status {child.wait()}"
        except tarfile.TarError as error:
            reason = str(error)
        said.seek(0)
        raise _Damaged(said.read().decode(errors="replace").strip() or reason)


def _inner(folder: Path) -> Path:
    items = list(folder.iterdir())
    alone = len(items) == 1 and items[0].is_dir() and not items[0].is_symlink()
    return items[0] if alone else folder


def _write(file: int, data: bytes) -> None:
    """Write it all: a disk that fills up takes a part of it first."""
    done = os.write(file, data)
    while done < len(data):
        done += os.write(file, memoryview(data)[done:])


class _Unpacker:
    """Writes members below ``top``, into folders it made itself and through no link."""

    def __init__(self, top: Path, where: Location | Path) -> None:
        self.entries: dict[str, Entry] = {}
        self._top = top
        self._where = where
        self._folders = {""}
        self._links: set[str] = set()
        self._now = time.time()

    def place(self, members: Members, member: tarfile.TarInfo) -> None:
        """Write one member; raises UserError when it has no place in a source tree."""
        if len(self.entries) > _FILES:
            raise self._refusal(member, f"is after {_FILES} others: that is no kernel's source")
        try:
            self._place(members, member)
        except OSError as error:
            if error.errno not in _NO_NAME:
                raise
            raise self._refusal(member, f"cannot be: {error.strerror}") from None

    def _place(self, members: Members, member: tarfile.TarInfo) -> None:
        path = self._inside(member, member.name)
        if member.isdir():
            self._folder(member, path)
            return
        self._folder(member, path.rpartition("/")[0])
        if member.isreg():
            self._file(members, member, path)
        elif member.issym():
            self._symlink(member, path)
        elif member.islnk():
            self._hard_link(member, path)
        else:
            raise self._refusal(member, "is a device or a pipe")

    def check_links(self, top: Path, request: Request) -> None:
        """Refuse links that lead out of ``top``: only now is all there that they go through."""
        home = os.path.realpath(top)
        for link in sorted(self._links):
            request.left()
            if _leads_nowhere(self._top / link):
                continue
            end = os.path.realpath(self._top / link)
            if end != home and not end.startswith(home + "/"):
                raise UserError(
                    f"the archive's member {link} is a link to outside of it", where=self._where
                )

    def _inside(self, member: tarfile.TarInfo, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise self._refusal(member, "would be outside of it")
        if len(parts) > _DEEPEST:
            raise self._refusal(member, f"is {len(parts)} folders deep")
        return "/".join(parts)

    def _refusal(self, member: tarfile.TarInfo, why: str) -> UserError:
        name = member.name if len(member.name) < _SHOWN else f"{member.name[:_SHOWN]}..."
        return UserError(f"the archive's member {name} {why}", where=self._where)

    def _folder(self, member: tarfile.TarInfo, path: str) -> None:
        if path in self._folders:
            return
        self._folder(member, path.rpartition("/")[0])
        try:
            os.mkdir(self._top / path)  # noqa: PTH102
        except FileExistsError:
            raise self._refusal(member, f"goes through {path}, which is no folder") from None
        self._folders.add(path)

    def _file(self, members: Members, member: tarfile.TarInfo, path: str) -> None:
        mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
        digest = begin_blob(member.size)
        file = self._created(member, path, mode)
        try:
            for piece in members.content(member):
                digest.update(piece)
                _write(file, piece)
            # make takes a file from the future for newer than all it will ever build; and what
            # is before 1970, or no number, no clock has said.
            mtime = member.mtime if 0 <= member.mtime < self._now else self._now
            os.utime(file, (mtime, mtime))
        finally:
            os.close(file)
        self.entries[path] = Entry(stat.S_IFREG | mode, digest.hexdigest())

    def _created(self, member: tarfile.TarInfo, path: str, mode: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        if path not in self._folders:
            # Nearly always nothing is there: to look first is half as long again.
            with suppress(FileExistsError):
                return os.open(f"{self._top}/{path}", flags, mode)
        return os.open(self._cleared(member, path), flags, mode)

    def _symlink(self, member: tarfile.TarInfo, path: str) -> None:
        os.symlink(member.linkname, self._cleared(member, path))  # noqa: PTH211
        self._links.add(path)
        self.entries[path] = Entry(SYMLINK, blob_digest(os.fsencode(member.linkname)))

    def _hard_link(self, member: tarfile.TarInfo, path: str) -> None:
        target = self._inside(member, member.linkname)
        first = f"{self._top}/{target}"
        known = target.rpartition("/")[0] in self._folders and target not in self._links
        if not known or not os.path.isfile(first):  # noqa: PTH113
            raise self._refusal(member, f"is a link to {target}, which is no file before it")
        if target != path:
            os.link(first, self._cleared(member, path), follow_symlinks=False)
            self.entries[path] = self.entries[target]

    def _cleared(self, member: tarfile.TarInfo, path: str) -> str:
        """The name to write at; as in tar, a later member takes an earlier one's place."""
        name = f"{self._top}/{path}"
        if path in self._folders:
            raise self._refusal(member, "takes the place of a folder")
        if os.path.lexists(name):
            os.unlink(name)  # noqa: PTH108
            self._links.discard(path)
        return name


def _leads_nowhere(link: Path) -> bool:
    """Whether the kernel gives up on the way: it goes through 40 links, path_resolution(7).

    To follow a thousand would take os.path.realpath() a minute, or all its stack before 3.13.
    """
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False
