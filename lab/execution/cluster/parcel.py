# SPDX-License-Identifier: GPL-2.0-only
"""A job on its way to another host, and the files that it takes.

A file has one place in the sender's cache, and on the host where the job runs one of these:
the same place in that host's own cache, if what is there has the same digest, or a folder
of what was sent.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lab.errors import InfrastructureError
from lab.execution.job import Job
from lab.guest.movable import Movable
from lab.process.cache_use import note_use
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import file_digest
from lab.process.shelf import SENT

#: Bytes: a file that is no larger comes with its name.
_SMALL = 16 << 10


@dataclass(frozen=True)
class Sent:
    """A file of a bundle: its path from the bundle's folder, its SHA-256, whether it runs.

    Attributes:
        content: What it holds, of a small one.
    """

    name: str
    digest: str
    runs: bool
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Bundle:
    """Files of one folder of the sender's."""

    folder: Path
    files: tuple[Sent, ...]

    @property
    def digest(self) -> str:
        """Names what it holds, wherever that was: 24 hexadecimal digits."""
        return hashlib.sha256(repr(self.files).encode()).hexdigest()[:24]

    @property
    def large(self) -> tuple[Sent, ...]:
        """The files that did not come along."""
        return tuple(one for one in self.files if one.content is None)

    def is_in(self, folder: Path) -> bool:
        """Whether a folder has all of it, byte for byte."""
        with suppress(OSError):
            return all(file_digest(folder / one.name) == one.digest for one in self.files)
        return False

    def read(self) -> dict[str, bytes]:
        """What its large files hold now.

        Raises:
            InfrastructureError: One is gone, or cannot be read.
        """
        try:
            return {one.name: (self.folder / one.name).read_bytes() for one in self.large}
        except OSError as error:
            raise InfrastructureError(
                f"what a job takes cannot be read: {error.strerror}", where=error.filename
            ) from error


@dataclass(frozen=True)
class Parcel:
    """A job, and what of the sender's host it speaks of; picklable.

    Attributes:
        run: Names the run that it is of, by which that has its jobs ended.
        host: Which boot of which host sent it.
        cache: The sender's.
        bundles: All that its guests are made from.
        needs: What it asks of a worker.
    """

    run: str
    number: int
    job: Job
    host: str
    cache: Path
    bundles: tuple[Bundle, ...] = ()
    needs: Mapping[str, float] = field(default_factory=dict)


def bundles_of(job: Job) -> tuple[Bundle, ...]:
    """The files of this host that a job's guests are made from.

    Raises:
        InfrastructureError: One cannot be read.
    """
    spec = job.guest
    if not isinstance(spec, Movable):
        return ()
    try:
        found = [Bundle(files.folder, tuple(_sent(files.folder, files.names)))
                 for files in spec.files()]  # fmt: skip
    except OSError as error:
        raise InfrastructureError(
            f"what a job takes cannot be read: {error.strerror}", where=error.filename
        ) from error
    return tuple(dict.fromkeys(found))


def _sent(folder: Path, names: tuple[str, ...]) -> Iterator[Sent]:
    for name in names:
        path = folder / name
        status = path.stat()
        content = path.read_bytes() if status.st_size <= _SMALL else None
        yield Sent(name, file_digest(path), bool(status.st_mode & 0o100), content)


class Unpacked:
    """The places of a parcel's files on this host."""

    def __init__(self, parcel: Parcel, cache: Path) -> None:
        self._cache = cache
        self._folders: dict[tuple[Path, str], Path] = {}
        self.missing: list[Bundle] = []
        for bundle in parcel.bundles:
            folder = next(filter(bundle.is_in, self._places(parcel, bundle)), None)
            if folder is None:
                self.missing.append(bundle)
                continue
            note_use(folder)
            for one in bundle.files:
                top = PurePosixPath(one.name).parts[0]
                self._folders[bundle.folder, top] = folder

    def _places(self, parcel: Parcel, bundle: Bundle) -> Iterator[Path]:
        with suppress(ValueError):
            yield self._cache / bundle.folder.relative_to(parcel.cache)
        yield SENT.place(self._cache, bundle.digest)
        # Of a worker on the sender's own host, whatever its cache.
        yield bundle.folder

    def place(self, path: Path) -> Path:
        """Where a file of the sender's is here.

        Raises:
            KeyError: None of the bundles has it.
        """
        return self._folders[path.parent, path.name] / path.name


def receive(cache: Path, bundle: Bundle, contents: Mapping[str, bytes]) -> None:
    """Keep what was sent, whole or not at all.

    Raises:
        InfrastructureError: It is not what was to come, or there is no room for it.
    """
    place = SENT.place(cache, bundle.digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked(SENT.lock_of(cache, bundle.digest)):
            if bundle.is_in(place):
                return
            with scratch_folder(place) as folder:
                for one in bundle.files:
                    known = one.content
                    _write(folder, one, contents[one.name] if known is None else known)
    except OSError as error:
        raise InfrastructureError(
            f"what was sent cannot be kept: {error.strerror}", where=place, hint="lab gc there"
        ) from error


def _write(folder: Path, one: Sent, content: bytes) -> None:
    if hashlib.sha256(content).hexdigest() != one.digest:
        raise InfrastructureError(f"{one.name} did not come as it was sent")
    path = below(folder, one.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if one.runs else 0o644)


def below(folder: Path, name: str) -> Path:
    """A path in a folder; another host's word for it may lead to no other.

    Raises:
        InfrastructureError: It would.
    """
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise InfrastructureError(f"another host names a file {name!r}, which is nowhere here")
    return folder.joinpath(*parts)


def gathered(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their paths from there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def scattered(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write such files; a folder that is there keeps what else it has.

    Raises:
        InfrastructureError: One is named as none of this folder's, or cannot be written.
    """
    try:
        for name, content in files.items():
            path = below(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write: {error.strerror}", where=error.filename
        ) from error


def free_of(folder: Path) -> int:
    """Bytes that are free where a folder is, or would be."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(place).free
