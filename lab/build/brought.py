# SPDX-License-Identifier: GPL-2.0-only
"""A build that another host made for this one, as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.build.build import SEALED, Build, BuildJob, find_build
from lab.build.shared import FILES, of_another
from lab.errors import InfrastructureError
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, sealed_digests
from lab.process.shelf import BUILDS
from lab.process.temporary import temporary_folder
from lab.store.note import VMLINUX
from lab.store.packing import pack, unpack


@dataclass(frozen=True)
class Made:
    """A build's files on their way.

    Attributes:
        files: All but vmlinux, with their seal.
        vmlinux: Its bytes, packed or not.
        size: Of vmlinux, not packed.
        duration_s: What it took to make; 0 where it was there already.
        came: Bytes in all.
    """

    files: Mapping[str, bytes] = field(repr=False)
    vmlinux: bytes = field(repr=False)
    size: int
    packed: bool
    duration_s: float

    @property
    def came(self) -> int:
        """Bytes in all."""
        return len(self.vmlinux) + sum(map(len, self.files.values()))


def gather_build(built: Build, vmlinux: Path, *, packed: bool) -> Made:
    """A build's files, read.

    Raises:
        InfrastructureError: One is not what was made, or cannot be read.
    """
    if why := damage(built.folder, SEALED):
        raise InfrastructureError(f"what was built cannot be sent: {why}", where=built.folder)
    try:
        files = {name: (built.folder / name).read_bytes() for name in FILES}
        content = _packed(vmlinux) if packed else vmlinux.read_bytes()
        return Made(files, content, vmlinux.stat().st_size, packed, built.duration_s)
    except OSError as error:
        raise InfrastructureError(
            f"what was built cannot be sent: {error.strerror}", where=error.filename
        ) from error


def _packed(path: Path) -> bytes:
    with temporary_folder("packed") as folder:
        pack(path, folder / path.name)
        return (folder / path.name).read_bytes()


def keep_build(job: BuildJob, made: Made, worker: str = "") -> Build:
    """Put a build into the cache, if it is the one that was asked for.

    Args:
        worker: Who made it, for those who want to be near what it left.

    Raises:
        InfrastructureError: It is another, was changed on its way, or cannot be kept.
    """
    try:
        with locked(BUILDS.lock_of(job.cache, job.key)):
            if (found := find_build(job)) is None:
                with scratch_folder(job.folder) as folder:
                    _fill(folder, made)
                    if why := next(_wrong(job, folder), ""):
                        raise InfrastructureError(f"what came is not this build: {why}")
                found = find_build(job)
    except OSError as error:
        raise InfrastructureError(
            f"a build that came cannot be kept: {error.strerror}",
            where=error.filename or job.cache,
            hint="lab doctor shows the disk's free space",
        ) from error
    if found is None:
        raise InfrastructureError("a build that came cannot be used", where=job.folder)
    if not made.duration_s:
        return replace(found, worker=worker)
    return replace(found, cached=False, duration_s=made.duration_s, worker=worker)


def _fill(folder: Path, made: Made) -> None:
    for name in FILES:
        if name not in made.files:
            raise InfrastructureError(f"what came is not this build: it has no {name}")
        (folder / name).write_bytes(made.files[name])
    target = folder / VMLINUX
    if not made.packed:
        target.write_bytes(made.vmlinux)
        return
    digest = sealed_digests(folder).get(VMLINUX, "")
    with temporary_folder("packed") as work:
        (work / VMLINUX).write_bytes(made.vmlinux)
        try:
            unpack(work / VMLINUX, target, made.size, digest)
        except ValueError as error:
            raise InfrastructureError(f"vmlinux did not come as it was sent: {error}") from error


def _wrong(job: BuildJob, folder: Path) -> Iterator[str]:
    if why := damage(folder, SEALED):
        yield why
    yield from of_another(job, folder)


def manifest_digest(job: BuildJob) -> str:
    """SHA-256 of what says what is in a job's tree."""
    return hashlib.sha256(job.tree.manifest.read_bytes()).hexdigest()
