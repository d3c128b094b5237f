# SPDX-License-Identifier: GPL-2.0-only
"""What of the cache and the results can go, each with what is known of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from lab.config import LoadedConfig
from lab.config.model import KernelSection
from lab.execution.postmortem import left_behind as guests_left_behind
from lab.gc.item import Item, Rank
from lab.gc.needs import Needs
from lab.model.variant import Variant
from lab.process.shelf import (
    BUILDS,
    DOWNLOADS,
    IMAGES,
    MIRRORS,
    MKFS,
    PROGRAMS,
    SENT,
    SHELVES,
    STATES,
    TREES,
    USERLANDS,
    WORKBENCHES,
    Shelf,
)
from lab.process.stored import read_stored
from lab.process.temporary import left_behind
from lab.results.folder import REVIEW_CHECKS, RunFolder
from lab.suites.suite_source import source_name, sources_of_suites
from lab.trees.source import source_kind

#: Where gc puts what it is about to remove.
DOOMED = ".gc-"
_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4,}")
_PARTIAL = "~partial"
#: Why what was used a short time ago stays.
RECENT = "used in the last day"


@dataclass(frozen=True)
class _Place:
    """The cache, and the results of one project; ``users`` are all whose cache it is."""

    loaded: LoadedConfig
    cache: Path
    needs: Needs
    users: tuple[LoadedConfig, ...]

    def items(self) -> Iterator[Item]:
        finders = (*self.finders().values(), self._runs, self._review_checks, self._leftovers)
        for item in chain.from_iterable(finder() for finder in finders):
            yield self._kept_while_used(item)

    def finders(self) -> Mapping[Shelf, Callable[[], Iterable[Item]]]:
        """What finds the things of each shelf."""
        return {
            BUILDS: self._builds,
            TREES: self._trees,
            WORKBENCHES: self._workbenches,
            STATES: lambda: self._locked_folders(STATES),
            PROGRAMS: lambda: self._locked_folders(PROGRAMS),
            IMAGES: self._images,
            USERLANDS: lambda: self._locked_folders(USERLANDS),
            DOWNLOADS: self._downloads,
            MIRRORS: self._mirror,
            MKFS: self._answers,
            SENT: lambda: self._locked_folders(SENT),
        }

    def _kept_while_used(self, item: Item) -> Item:
        since = self.needs.since
        if item.keep or not item.rank:
            return item
        if (since is not None and item.used >= since) or item.path in self.needs.using:
            return replace(item, keep="a lab that runs")
        return replace(item, keep=RECENT) if item.used >= self.needs.recent else item

    def _builds(self) -> Iterator[Item]:
        found = []
        for path in _folders(BUILDS.place(self.cache)):
            record = _read(path / "build.json")
            found.append((path, _used(path), record))
        newest = _newest((_sort_of(record), used) for _, used, record in found)
        for path, used, record in found:
            variant = str(record.get("variant", ""))
            current = newest.get(_sort_of(record)) == used and self._is_named(variant)
            yield Item(
                BUILDS.kind,
                path,
                used,
                _rank(current),
                BUILDS.lock_of(self.cache, path.name),
                self.needs.builds.get(path.name, ""),
                variant,
            )

    def _is_named(self, variant: str) -> bool:
        named = Variant(variant)
        return any(
            named.kernel in user.config.kernels
            and all(name in user.config.series for name in named.series)
            for user in self.users
        )

    def _has_kernel(self, kernel: str) -> bool:
        return any(kernel in user.config.kernels for user in self.users)

    def _trees(self) -> Iterator[Item]:
        current = set(self._current_trees())
        for path in _folders(TREES.place(self.cache)):
            if path.name == "by-kernel":
                continue
            record = _read(path / "tree.json")
            identity = str(record.get("identity", ""))
            kernel = str(record.get("kernel", path.name))
            own = path.name.startswith("dir-")
            source = Path(str(record.get("path", "")))
            named = source in self._own_folders() if own else identity in current
            lock = path / ".lock" if own else TREES.lock_of(self.cache, kernel)
            used = max([_used(path), *map(_used, path.glob("manifest-*"))])
            keep = self.needs.trees.get(identity, "")
            yield Item(
                TREES.kind, path, used, _rank(named), lock, keep, f"{kernel} {identity}"[:60]
            )

    def _current_trees(self) -> Iterator[str]:
        """The identities that the projects' kernels had when they were last fetched."""
        names = {f"{name}-" for user in self.users for name in (*user.config.kernels, *_of(user))}
        for path in TREES.place(self.cache, "by-kernel").glob("*.json"):
            # NAME-DIGEST.json, and a name may hold "-".
            if path.stem[: -len("0" * 12)] in names:
                yield str(_read(path).get("identity", ""))

    def _own_folders(self) -> set[Path]:
        return {
            user.path(folder).resolve()
            for user in self.users
            for kernel in (
                *user.config.kernels.values(),
                *sources_of_suites(user.config.suites.values()),
            )
            if isinstance(kernel, KernelSection)
            and (folder := source_kind(kernel.kind).folder(kernel)) is not None
        }

    def _workbenches(self) -> Iterator[Item]:
        found = [(path, _used(path)) for path in _folders(WORKBENCHES.place(self.cache))]
        newest = _newest((_kernel_of(path), used) for path, used in found)
        for path, used in found:
            kernel = _kernel_of(path)
            current = newest[kernel] == used and self._has_kernel(kernel)
            yield Item(
                WORKBENCHES.kind,
                path,
                used,
                _rank(current),
                WORKBENCHES.lock_of(self.cache, path.name),
                about=kernel,
            )

    def _locked_folders(self, shelf: Shelf) -> Iterator[Item]:
        for path in _folders(shelf.place(self.cache)):
            yield Item(shelf.kind, path, _used(path), lock=shelf.lock_of(self.cache, path.name))

    def _images(self) -> Iterator[Item]:
        folder = IMAGES.place(self.cache)
        current = _read(folder / "sources.json").get("image")
        for path in folder.glob("*.cpio"):
            # Its time stamp is part of what it is, so that no use of it is noted.
            keep = "a lab that runs" if self.needs.since is not None else ""
            yield Item(IMAGES.kind, path, _used(path), _rank(path.name == current), keep=keep)

    def _downloads(self) -> Iterator[Item]:
        for path in DOWNLOADS.place(self.cache).glob("*.part"):
            lock = DOWNLOADS.lock_of(self.cache, path.name.removesuffix(".part"))
            yield Item(DOWNLOADS.kind, path, _used(path), Rank.LEFTOVER, lock)

    def _mirror(self) -> Iterator[Item]:
        """The commits of all kernels that come from git: fetched again when one is asked for."""
        wanted = any(
            isinstance(kernel, KernelSection) and source_kind(kernel.kind).mirrored
            for user in self.users
            for kernel in (
                *user.config.kernels.values(),
                *sources_of_suites(user.config.suites.values()),
            )
        )
        for path in _folders(MIRRORS.place(self.cache)):
            lock = MIRRORS.lock_of(self.cache)
            yield Item(MIRRORS.kind, path, _used(path), _rank(wanted), lock, about="commits of git")

    def _answers(self) -> Iterator[Item]:
        for path in sorted(MKFS.place(self.cache).glob("*.json")):
            yield Item(MKFS.kind, path, _used(path), about="what mkfs knows")

    def _runs(self) -> Iterator[Item]:
        results = self.loaded.results
        for path in _folders(results):
            if not _RUN.fullmatch(path.name):
                continue
            folder = RunFolder(results, path.name)
            keep = self.needs.runs.get(path.name, "") or self._only_copy(folder)
            yield Item("run", path, _used(path), lock=path / "run" / ".running", keep=keep)

    def _review_checks(self) -> Iterator[Item]:
        for path in sorted((self.loaded.results / REVIEW_CHECKS).glob("*.json")):
            yield Item("check", path, _used(path), about="what lab review-check said of a mail")

    def _only_copy(self, folder: RunFolder) -> str:
        if folder.run_id in self.needs.known or not any(folder.jobs.glob("*/job.json")):
            return ""
        return "not in the database: lab runs --recover"

    def _leftovers(self) -> Iterator[Item]:
        """What killed labs left beside the places of what they were making."""
        for shelf in SHELVES:
            folder = shelf.place(self.cache)
            for path in folder.glob(".*") if folder.is_dir() else ():
                if path.is_dir():
                    lock = _lock_of(shelf, path)
                    yield Item("leftover", path, _used(path), Rank.LEFTOVER, lock)
        # A key that logged in to all guests, until each had a name of its own for that.
        if (key := self.cache / "identity").is_dir():
            yield Item("leftover", key, _used(key), Rank.LEFTOVER)
        for path in self.loaded.results.glob(f"{DOOMED}*"):
            yield Item("leftover", path, _used(path), Rank.LEFTOVER)
        # Each is its own lock, let go of when its maker died.
        for path in (*left_behind(), *guests_left_behind(self.loaded.results / "guests")):
            yield Item("leftover", path, _used(path), Rank.LEFTOVER, path)


def _of(user: LoadedConfig) -> Iterator[str]:
    """What the sources of its suites are called."""
    return (source_name(source) for source in sources_of_suites(user.config.suites.values()))


def inventory(
    loaded: LoadedConfig, cache: Path, needs: Needs, others: Iterable[LoadedConfig] = ()
) -> tuple[Item, ...]:
    """All that can go, and what must stay with the reason.

    Args:
        others: Other projects that use the same cache; their runs are theirs.
    """
    return tuple(_Place(loaded, cache, needs, (loaded, *others)).items())


def _lock_of(shelf: Shelf, scratch: Path) -> Path | None:
    """The lock that the maker of ``.NAME.XXXXXXXX`` or ``.KERNEL~partial`` holds."""
    name = scratch.name
    if name.startswith(DOOMED):
        return None
    if name.endswith(_PARTIAL):
        return scratch.with_name(shelf.lock.format(name[1:].removesuffix(_PARTIAL)))
    return scratch.with_name(shelf.lock.format(name[1:].rpartition(".")[0])) if shelf.lock else None


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
                yield path


def _used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _read(path: Path) -> dict[str, Any]:
    return read_stored(path, dict[str, Any]) or {}


def _sort_of(record: dict[str, Any]) -> str:
    return f"{record.get('variant')} {record.get('config')}"


def _kernel_of(workbench: Path) -> str:
    return workbench.name.rpartition("-")[0]


def _newest(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    newest: dict[str, float] = {}
    for name, used in pairs:
        newest[name] = max(used, newest.get(name, 0.0))
    return newest


def _rank(current: bool) -> Rank:
    return Rank.REFERENCED if current else Rank.UNREFERENCED
