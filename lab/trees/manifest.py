# SPDX-License-Identifier: GPL-2.0-only
"""What a tree holds: mode, git blob digest and path of each file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from lab.errors import InfrastructureError, UserError
from lab.process.scratch import write_whole

SYMLINK = 0o120000
_EXECUTABLE = 0o100755
_PLAIN = 0o100644
# Hashing releases the interpreter's lock for a file's content only: with more
# threads than CPUs they wait for each other (6.1 on two CPUs: 2 threads 2.2 s, 4 3.8 s).
_THREADS = min(8, os.cpu_count() or 1)
_BATCH = 200
#: As long as that many searches take, so long does it take to parse it all.
_MOST_SEARCHES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree: a mode as git has it, and the sha1 of the blob in hex."""

    mode: int
    digest: str


def blob_digest(content: bytes) -> str:
    """The name git gives to this content, in hex (``git hash-object``)."""
    digest = begin_blob(len(content))
    digest.update(content)
    return digest.hexdigest()


def begin_blob(size: int) -> hashlib._Hash:
    """What gives the name when a content of so many bytes has come, in pieces."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def walk(top: Path, skip: frozenset[str] = frozenset()) -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file and symlink below ``top``: its path from there, and its lstat.

    Args:
        skip: Names at the top that are passed over.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(f"{top}/{folder}") as listing:
            for item in listing:
                path = folder + item.name
                if path in skip:
                    continue
                if item.is_dir(follow_symlinks=False):
                    folders.append(path + "/")
                elif item.is_file(follow_symlinks=False) or item.is_symlink():
                    yield path, item.stat(follow_symlinks=False)


def git_mode(status: os.stat_result) -> int:
    """The mode git has for a file with this lstat."""
    if stat.S_ISLNK(status.st_mode):
        return SYMLINK
    return _EXECUTABLE if status.st_mode & stat.S_IXUSR else _PLAIN


def hash_files(top: Path, modes: Mapping[str, int]) -> dict[str, Entry]:
    """The entries of the files at these paths, which have these modes."""
    paths = list(modes)
    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]

    def entries(batch: Sequence[str]) -> list[tuple[str, Entry]]:
        return [(path, Entry(modes[path], _digest(top, path, modes[path]))) for path in batch]

    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            return dict(pair for pairs in pool.map(entries, batches) for pair in pairs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _digest(top: Path, path: str, mode: int) -> str:
    name = f"{top}/{path}"
    if mode == SYMLINK:
        return blob_digest(os.fsencode(os.readlink(name)))  # noqa: PTH115  (bytes as they are)
    with open(name, "rb", buffering=0) as file:  # noqa: PTH123  (80 000 times)
        return blob_digest(file.read())


def compute_manifest(top: Path) -> dict[str, Entry]:
    """The manifest of everything below ``top``; empty folders are not in it."""
    return hash_files(top, {path: git_mode(status) for path, status in walk(top)})


def manifest_text(manifest: Mapping[str, Entry]) -> bytes:
    """One line a file, sorted by the bytes of the path, as git sorts."""
    lines = sorted((os.fsencode(path), entry) for path, entry in _checked(manifest.items()))
    return b"".join(
        b"%06o %s %s\n" % (entry.mode, entry.digest.encode(), path) for path, entry in lines
    )


def _checked(items: Iterable[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
    for path, entry in items:
        if "\n" in path:
            raise UserError(f"a file's name holds a line break: {path!r}", hint="rename it")
        yield path, entry


def write_manifest(path: Path, manifest: Mapping[str, Entry]) -> None:
    """Write a manifest to ``path``, whole or not at all."""
    write_whole(path, manifest_text(manifest))


def read_manifest(path: Path) -> Manifest:
    """The manifest in the file ``path``, by path, in its order.

    Raises:
        InfrastructureError: The file is missing or damaged.
    """
    try:
        seen = path.stat()
        return _read(path, (seen.st_ino, seen.st_size, seen.st_mtime_ns))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InfrastructureError:
    return InfrastructureError(
        f"the manifest cannot be read: {error}",
        where=path,
        hint=f"rm -r {path.parent}, then lab fetch",
    )


@lru_cache(maxsize=4)
def _read(path: Path, version: tuple[int, int, int]) -> Manifest:
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        raise ValueError("the last line is cut")
    return Manifest(path, data)


class Manifest(Mapping[str, Entry]):
    """A manifest's text; 80,000 lines take 0.2 s to parse, and a patch asks for two of them.

    It is sorted, so that a search takes 0.1 ms; a build asks for each path: who asks often
    has it parsed.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._data = data
        self._searches = 0

    def __getitem__(self, path: str) -> Entry:
        self._searches += 1
        if "_parsed" in self.__dict__ or self._searches > _MOST_SEARCHES:
            return self._parsed[path]
        found = next(self._from(path), None)
        if found is None or found[0] != path:
            raise KeyError(path)
        return found[1]

    def below(self, folder: str) -> Iterator[str]:
        """The paths in a folder and in those within it."""
        for path, _ in self._from(f"{folder}/"):
            if not path.startswith(f"{folder}/"):
                return
            yield path

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed)

    def __len__(self) -> int:
        return len(self._parsed)

    def _from(self, path: str) -> Iterator[tuple[str, Entry]]:
        """What comes at ``path`` and after it, in order."""
        start = self._place(os.fsencode(path))
        while start < len(self._data):
            end = self._data.index(b"\n", start)
            yield self._entry(os.fsdecode(self._data[start:end]))
            start = end + 1

    def _place(self, path: bytes) -> int:
        """Where the first line begins whose path does not come before this one."""
        low, high = 0, len(self._data)
        while low < high:
            middle = (low + high) // 2
            start = max(low, self._data.rfind(b"\n", low, middle) + 1)
            end = self._data.index(b"\n", middle)
            found, _ = self._entry(os.fsdecode(self._data[start:end]))
            if os.fsencode(found) < path:
                low = end + 1
            else:
                high = start
        return low

    @cached_property
    def _parsed(self) -> dict[str, Entry]:
        lines = os.fsdecode(self._data).split("\n")
        lines.pop()
        return dict(map(self._entry, lines))

    def _entry(self, line: str) -> tuple[str, Entry]:
        try:
            mode, digest, name = line.split(" ", 2)
            return name, Entry(int(mode, 8), digest)
        except ValueError as error:
            raise _damaged(self._path, error) from None
