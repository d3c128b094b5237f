# SPDX-License-Identifier: GPL-2.0-only
"""A store: entries of a kind by their keys, had and given whole or not at all.

Whatever is wrong with one, what is asked for is not had, and made here; it is told once.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import InfrastructureError, LabError
from lab.process.seal import file_digest
from lab.process.temporary import temporary_folder
from lab.store.account import Account
from lab.store.arrival import Arrival
from lab.store.door import Door, Unusable, said
from lab.store.manifest import (
    LONGEST,
    BadManifest,
    Manifest,
    StoredFile,
    manifest_place,
    read_manifest,
    require_files,
)
from lab.store.packing import pack, require_zstd, unpack
from lab.store.place import Found, Place
from lab.store.settings import StoreSettings

#: A blob that nobody refers to may be about to go (lab.store.gc), when it is older than a day.
_FRESH_S = 12 * 3600.0
#: How often what is there may change under whoever puts something there.
_TRIES = 3


class Damaged(Exception):
    """What a store has of an entry is not whole, or not what was put there; says why."""


class Store:
    """One store, as one process knows it.

    Attributes:
        account: What was had of it, and given.
    """

    def __init__(
        self,
        settings: StoreSettings,
        tell: Callable[[str], None] = lambda _: None,
        place: Place | None = None,
    ) -> None:
        self.settings = settings
        self.account = Account()
        self._door = Door(settings, tell, place)
        self._lock = threading.RLock()
        self._damaged: set[tuple[str, str]] = set()

    def telling(self, tell: Callable[[str], None]) -> None:
        """Have another told in a line what is wrong with it, once each."""
        self._door.tell = tell

    def try_again(self) -> None:
        """Ask it again, whatever was wrong with it, and tell what is."""
        with self._lock:
            self._door.try_again()

    @property
    def door(self) -> Door:
        """The way to it, for whoever looks at all that it has."""
        return self._door

    @property
    def away(self) -> str:
        """Why it is not asked any more; "" where it is."""
        return self._door.away

    @property
    def pushes(self) -> bool:
        """Whether what is made here goes there."""
        return self.settings.push and not self._door.closed and not self._door.away

    def pull(
        self,
        kind: str,
        key: str,
        folder: Path,
        *,
        wanted: Collection[str] = (),
        later: Collection[str] = (),
        only: Collection[str] | None = None,
    ) -> Manifest | None:
        """Bring an entry's files into a folder, each one checked; None where it is not to be had.

        What is in the folder then is the caller's to throw away.

        Args:
            wanted: Files that it has to have.
            later: Files that are left where they are, if they are there.
            only: The files that are brought; None is all.
        """
        with self._lock:
            try:
                manifest = self._manifest(kind, key)
                if manifest is None:
                    self.account.misses[kind] += 1
                    return None
                require_files(manifest, wanted)
                for file in manifest.files:
                    if file.name in later:
                        self._require_there(file)
                    elif only is None or file.name in only:
                        self._bring(file, folder)
            except (Damaged, BadManifest) as error:
                self._damaged.add((kind, key))
                self._door.say(f"its {kind} {key} is damaged: {error}; made here instead")
            except Unusable:
                return None
            else:
                self.account.hits[kind] += 1
                return manifest
            return None

    def refuse(self, kind: str, key: str, why: str) -> None:
        """Say that an entry was had and cannot be used: it is made here, and replaced there."""
        self.account.hits[kind] -= 1
        self._damaged.add((kind, key))
        self._door.say(f"its {kind} {key} cannot be used: {why}; made here instead")

    def bring(self, file: StoredFile, folder: Path) -> str:
        """Bring one file that was left there; why that cannot be done, "" when it was."""
        with self._lock:
            try:
                self._bring(file, folder)
            except Damaged as error:
                return str(error)
            except Unusable as error:
                return str(error)
            return ""

    def push(
        self, kind: str, key: str, files: Mapping[str, Path], packed: Collection[str] = ()
    ) -> bool:
        """Put an entry there, its manifest last; whether it is there now.

        Args:
            files: By the names that they are to have.
            packed: Names of those that are worth it.
        """
        with self._lock:
            if not self.pushes:
                return False
            try:
                return self._push(kind, key, files, packed)
            except Unusable:
                return False
            except (OSError, LabError) as error:
                # Of this machine: a file that went, no room to pack it.
                self._door.say(f"{kind} {key} was not put there: {said(error)}")
                return False

    def can_unpack(self) -> bool:
        """Whether this machine has what packed files take; it is told where not."""
        with suppress(Unusable):
            self._require_zstd()
            return True
        return False

    def has(self, kind: str, key: str) -> bool:
        """Whether it has an entry, all that it names by size, that is not known to be damaged."""
        if (kind, key) in self._damaged:
            return False
        with self._lock, suppress(BadManifest, Unusable):
            manifest = self._manifest(kind, key)
            return manifest is not None and self._is_whole(manifest)
        return False

    def _manifest(self, kind: str, key: str) -> Manifest | None:
        name = manifest_place(kind, key)
        try:
            content = self._door.do(lambda place, _: place.read(name, LONGEST + 1))
        except FileNotFoundError:
            return None
        return read_manifest(content, kind, key)

    def _bring(self, file: StoredFile, folder: Path) -> None:
        target = folder / file.name
        into = folder / f".{file.name}.packed" if file.packed else target
        if file.packed:
            self._require_zstd()
        try:
            self._download(file, into)
            if file.packed:
                unpack(into, target, file.size, file.sha256)
            target.chmod(0o755 if file.runs else 0o644)
        except FileNotFoundError:
            raise Damaged(f"the content of its {file.name} is gone") from None
        except ValueError as error:
            raise Damaged(f"its {file.name}: {error}") from None
        except InfrastructureError as error:
            raise Damaged(f"its {file.name}: {error.what}") from None
        except OSError as error:
            raise self._door.not_here(error) from None
        finally:
            if file.packed:
                into.unlink(missing_ok=True)

    def _require_zstd(self) -> None:
        try:
            require_zstd()
        except InfrastructureError as error:
            self._door.say(f"what it has is packed: {error.what} ({error.hint})")
            raise Unusable(error.what) from None

    def _download(self, file: StoredFile, into: Path) -> None:
        arrival = Arrival(into)
        # One more than there should be, to see that there are more.
        self._door.do(lambda place, beat: arrival.take(place, file, beat), self.account.moved_here)
        wanted = (file.stored, file.blob)
        if arrival.got != wanted or (not file.packed and file.blob != file.sha256):
            raise Damaged(f"its {file.name} is not what was put there")

    def _push(
        self, kind: str, key: str, files: Mapping[str, Path], packed: Collection[str]
    ) -> bool:
        again = (kind, key) in self._damaged
        for _ in range(_TRIES):
            if not again and self._is_there(kind, key):
                return True
            with temporary_folder("store") as work:
                rows = tuple(
                    self._put(name, path, name in packed, work, again=again)
                    for name, path in sorted(files.items())
                )
            made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            manifest = Manifest(kind, key, rows, platform.node(), made)
            if again:
                # Whoever reads meanwhile finds none, and makes it.
                self._remove_manifest(kind, key)
                again = False
            if self._publish(manifest):
                self.account.pushed[kind] += 1
                self._damaged.discard((kind, key))
                return True
        if self._is_there(kind, key):
            return True
        self._door.say(f"{kind} {key} was not put there: what was, went away each time")
        return False

    def _is_there(self, kind: str, key: str) -> bool:
        with suppress(BadManifest):
            manifest = self._manifest(kind, key)
            if manifest is None or self._is_whole(manifest):
                return manifest is not None
        # What is there helps nobody.
        self._remove_manifest(kind, key)
        return False

    def _require_there(self, file: StoredFile) -> None:
        """Raise Damaged where a file is gone or cut short that is to be brought later."""
        there = self._look(file.place)
        if there is None:
            raise Damaged(f"the content of its {file.name} is gone")
        # A web server need not say how long it is.
        if there.size not in (file.stored, -1):
            raise Damaged(f"its {file.name} is not whole")

    def _is_whole(self, manifest: Manifest) -> bool:
        """Whether all that it names is there, by size: what is in it nobody reads for that."""
        found = ((self._look(file.place), file.stored) for file in manifest.files)
        return all(there is not None and there.size == size for there, size in found)

    def _remove_manifest(self, kind: str, key: str) -> None:
        self._door.do(lambda place, _: place.remove(manifest_place(kind, key)), writing=True)

    def _publish(self, manifest: Manifest) -> bool:
        """Give it its name; False where another lab's has it, or what it names went away."""
        place_name = manifest_place(manifest.kind, manifest.key)
        if not self._door.do(
            lambda place, _: place.create(place_name, manifest.text), writing=True
        ):
            return False
        if self._is_whole(manifest):
            return True
        self._remove_manifest(manifest.kind, manifest.key)
        return False

    def _put(self, name: str, path: Path, packed: bool, work: Path, *, again: bool) -> StoredFile:
        source = path
        if packed:
            require_zstd()
            source = work / name
            pack(path, source)
        row = StoredFile(
            name=name,
            size=path.stat().st_size,
            sha256=file_digest(path),
            stored=source.stat().st_size,
            blob=file_digest(source),
            packed="zstd" if packed else "",
            runs=bool(path.stat().st_mode & 0o100),
        )
        there = self._look(row.place)
        fresh = there is not None and abs(time.time() - there.changed) < _FRESH_S
        if again or there is None or there.size != row.stored or not fresh:
            self._door.do(
                lambda place, beat: place.upload(source, row.place, beat),
                self.account.moved_there,
                writing=True,
            )
        return row

    def _look(self, name: str) -> Found | None:
        return self._door.do(lambda place, _: place.look(name))
