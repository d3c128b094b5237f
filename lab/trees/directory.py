# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are a folder of the user's, taken as they are."""

from __future__ import annotations

import hashlib
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.config.model import DirKernel
from lab.errors import UserError
from lab.process.scratch import write_whole
from lab.trees.lock import locked
from lab.trees.manifest import Entry, git_mode, hash_files, manifest_text, walk
from lab.trees.request import Request
from lab.trees.tree import Tree, save_record
from lab.version import KernelVersion

_SKIP = frozenset({".git"})
# What the top Makefile's outputmakefile calls "not clean"; the last since v5.4-rc1.
_BUILT = (".config", "include/config", "arch/x86/include/generated")
# A file changed after its stat, within the clock's tick, has the same stat: one that
# was touched so shortly before is hashed again (git's Documentation/technical/racy-git).
_RACY_NS = 2_000_000_000


def directory_tree(kernel: DirKernel, request: Request) -> Tree:
    """The tree of a folder as it is now; files whose stat is unchanged are not read.

    Raises:
        UserError: It is no kernel's source, or a kernel was built in it.
    """
    folder = request.path(kernel.path, "path").resolve()
    _check(folder, request)
    version = KernelVersion.read(folder, request.where("path"))
    place = request.cache / "trees" / f"dir-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    with locked(place / ".lock", request, f"reading {folder}"):
        entries = _scan(folder, place / "index", request)
        text = manifest_text(entries)
        digest = hashlib.sha256(text).hexdigest()
        manifest = place / f"manifest-{digest[:12]}"
        tree = Tree(request.name, folder, f"dir:{digest}", version, manifest)
        if not manifest.exists():
            _remove_old(place)
            write_whole(manifest, text)
            save_record(place, tree, folder)
        os.utime(manifest)
    return tree


def _check(folder: Path, request: Request) -> None:
    where = request.where("path")
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", where=where)
    for name in _BUILT:
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


@dataclass(frozen=True, slots=True)
class _Known:
    """A file's entry, and the stat it had."""

    stamp: str
    entry: Entry


def _scan(folder: Path, index: Path, request: Request) -> dict[str, Entry]:
    known = _load(index)
    now = time.time_ns()
    files = _files(folder, request)
    stamps = {path: _stamp(status) for path, status in files.items()}
    entries = {
        path: known[path].entry
        for path, stamp in stamps.items()
        if path in known and known[path].stamp == stamp
    }
    changed = {path: git_mode(files[path]) for path in files.keys() - entries.keys()}
    if len(changed) > len(files) // 10:
        request.say(f"reading {folder}")
    with _unreadable(request):
        entries |= hash_files(folder, changed)
    if changed or len(known) != len(files):
        settled = {
            path: _Known(stamp, entries[path])
            for path, stamp in stamps.items()
            if max(files[path].st_mtime_ns, files[path].st_ctime_ns) < now - _RACY_NS
        }
        _save(index, settled)
    return entries


def _files(folder: Path, request: Request) -> dict[str, os.stat_result]:
    with _unreadable(request):
        return dict(walk(folder, _SKIP))


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


def _load(index: Path) -> dict[str, _Known]:
    try:
        lines = os.fsdecode(index.read_bytes()).splitlines()
        fields = (line.split(" ", 3) for line in lines)
        return {
            path: _Known(stamp, Entry(int(mode, 8), digest)) for stamp, mode, digest, path in fields
        }
    except (OSError, ValueError):
        return {}


def _save(index: Path, known: Mapping[str, _Known]) -> None:
    lines = (
        f"{item.stamp} {item.entry.mode:o} {item.entry.digest} {path}\n"
        for path, item in known.items()
    )
    write_whole(index, os.fsencode("".join(lines)))


def _remove_old(place: Path) -> None:
    """Manifests are kept for a day: a build that began from one still reads it."""
    for manifest in place.glob("manifest-*"):
        if manifest.stat().st_mtime < time.time() - 86400:
            manifest.unlink()
