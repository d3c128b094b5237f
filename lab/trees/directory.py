# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are a folder of the user's, taken as they are."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.arch import ARCH
from lab.config.model import DirKernel
from lab.errors import UserError
from lab.model.tree_identity import TreeIdentity
from lab.model.version import KernelVersion
from lab.process.scratch import write_whole
from lab.process.shelf import TREES
from lab.trees.manifest import git_mode, hash_files, walk
from lab.trees.request import Request
from lab.trees.rows import Rows, row_of, rows_text
from lab.trees.source import Source, SourceKind, TreeCache
from lab.trees.tree import Tree, save_record

_SKIP = frozenset({".git"})
# What the top Makefile's outputmakefile calls "not clean"; the last since v5.4-rc1.
_BUILT = (".config", "include/config", f"arch/{ARCH.source}/include/generated")
# A file changed after its stat, within the clock's tick, has the same stat: one that
# was touched so shortly before is hashed again (git's Documentation/technical/racy-git).
_RACY_NS = 2_000_000_000
_NOT_TO_BE_WRITTEN = (errno.EROFS, errno.EACCES, errno.EPERM)
#: The stat that each file had, and its row in a manifest.
_Index = dict[str, tuple[str, str]]
_NEW = ("", "")


class DirSource(Source):
    """A folder as it is."""

    def __init__(self, kernel: DirKernel, request: Request) -> None:
        self._kernel = kernel
        self._request = request

    def tree(self, cache: TreeCache, *, refresh: bool) -> Tree:
        """The folder: there is nothing to bring in."""
        return directory_tree(self._kernel, self._request)


class DirKind(SourceKind[DirKernel]):
    """``kind = "dir"``.  Its name is the user's: nobody renames linux-6.1 for each release."""

    key = "path"

    def source(self, section: DirKernel, request: Request) -> DirSource:
        """The folder."""
        return DirSource(section, request)

    def folder(self, section: DirKernel) -> Path:
        """That."""
        return section.path

    def by_hand(self, identity: TreeIdentity, section: Mapping[str, Any]) -> str:
        """Nothing brings it in: whoever repeats it has to have it."""
        why = shlex.quote(f"the source is a folder of somebody: {identity}")
        return f'stop {why}". Set KERNEL_SRC to it"'


DIR = DirKind()


def directory_tree(kernel: DirKernel, request: Request) -> Tree:
    """The tree of a folder as it is now; files whose stat is unchanged are not read.

    Raises:
        UserError: It is no kernel's source, or a kernel was built in it.
    """
    folder = request.path(kernel.path, "path").resolve()
    _check(folder, request)
    version = request.version(folder, "path")
    place = TREES.place(
        request.cache, f"dir-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    )
    try:
        place.mkdir(parents=True, exist_ok=True)
        with request.turn(place / ".lock", f"reading {folder}"):
            text = _scanned(folder, place / "index", request)
            tree = _tree(request.name, folder, version, place, text)
            if not _holds(tree.manifest, text):
                _remove_old(place)
                write_whole(tree.manifest, text)
                save_record(place, tree, folder)
            os.utime(tree.manifest)
    except OSError as error:
        # A cache of another user's, say: what is there already can be used.
        if error.errno not in _NOT_TO_BE_WRITTEN:
            raise
        text = _scanned(folder, place / "index", request, keep=False)
        tree = _tree(request.name, folder, version, place, text)
        if not _holds(tree.manifest, text):
            raise
    return tree


def _tree(name: str, folder: Path, version: KernelVersion, place: Path, text: bytes) -> Tree:
    digest = hashlib.sha256(text).hexdigest()
    identity = TreeIdentity.of("dir", digest)
    manifest = place / f"manifest-{digest[:12]}"
    return Tree(name, folder, identity, version, manifest, immutable=False)


def _holds(manifest: Path, text: bytes) -> bool:
    """Whether it is there as it was written: of 80,000 files it takes 3 ms to know."""
    try:
        return manifest.read_bytes() == text
    except OSError:
        return False


def _check(folder: Path, request: Request) -> None:
    where = request.where("path")
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", where=where)
    for name in _BUILT if request.of_kernel else ():
        if (folder / name).exists():
            raise UserError(
                f"a kernel was built in {folder}, which keeps make O= from using it: "
                f"there is {name}",
                where=where,
                hint=_unbuilt(folder),
            )


def _unbuilt(folder: Path) -> str:
    """What makes a tree of it that make O= takes: commands to be pasted."""
    beside = next(
        path
        for path in (folder.with_name(f"{folder.name}-lab{n}") for n in ("", *range(2, 1000)))
        if not path.exists()
    )
    copy, here = shlex.quote(str(beside)), shlex.quote(str(folder))
    return (
        f"make -C {here} mrproper, which takes .config and all that was built; to keep them, "
        f"a copy: cp -a --reflink=auto {here} {copy} && make -C {copy} mrproper && lab test {copy}"
    )


def _scanned(folder: Path, index: Path, request: Request, *, keep: bool = True) -> bytes:
    return rows_text(_scan(folder, index, request, keep=keep))


def _scan(folder: Path, index: Path, request: Request, *, keep: bool) -> Rows:
    """The manifest's rows; as text, since a folder of 80,000 files has changed in one."""
    known = _load(index)
    began = time.time_ns()
    stamps: dict[str, str] = {}
    rows: dict[str, str] = {}
    changed: dict[str, int] = {}
    racy: set[str] = set()
    with _unreadable(request):
        for path, status in walk(folder, _SKIP):
            stamps[path] = stamp = _stamp(status)
            was, row = known.get(path, _NEW)
            if was == stamp:
                rows[path] = row
            else:
                changed[path] = git_mode(status)
                if max(status.st_mtime_ns, status.st_ctime_ns) >= began - _RACY_NS:
                    racy.add(path)
        if len(changed) > len(stamps) // 10:
            request.say(f"reading {folder}")
        hashed = hash_files(folder, changed)
    rows |= {path: row_of(entry) for path, entry in hashed.items()}
    if keep and (changed or len(known) != len(stamps)):
        settled = {path: (stamp, rows[path]) for path, stamp in stamps.items() if path not in racy}
        _save(index, settled)
    return rows


@contextmanager
def _unreadable(request: Request) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename}: {error.strerror}", where=request.where("path")
        ) from None


def _stamp(status: os.stat_result) -> str:
    return (
        f"{status.st_mode:o}/{status.st_size}/{status.st_mtime_ns}"
        f"/{status.st_ctime_ns}/{status.st_ino}"
    )


def _load(index: Path) -> _Index:
    try:
        checksum, _, content = index.read_bytes().partition(b"\n")
        if int(checksum, 16) != zlib.crc32(content):
            return {}  # a digit of a digest in it would be another folder's, each time
        lines = os.fsdecode(content).split("\n")
        lines.pop()
        fields = (line.split("\t", 2) for line in lines)
        return {path: (stamp, row) for stamp, row, path in fields}
    except (OSError, ValueError):
        return {}


def _save(index: Path, known: _Index) -> None:
    lines = (f"{stamp}\t{row}\t{path}\n" for path, (stamp, row) in known.items())
    content = os.fsencode("".join(lines))
    write_whole(index, b"%08x\n" % zlib.crc32(content) + content)


def _remove_old(place: Path) -> None:
    """Manifests are kept for a day: a build that began from one still reads it."""
    for manifest in place.glob("manifest-*"):
        if manifest.stat().st_mtime < time.time() - 86400:
            manifest.unlink()
