# SPDX-License-Identifier: GPL-2.0-only
"""Builds had from the store, and put there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.build.build import SEALED, Build, BuildJob, find_build
from lab.process.lock import locked
from lab.process.removal import remove_tree
from lab.process.scratch import scratch_folder, write_whole
from lab.process.seal import SEAL, damage, sealed_digests
from lab.process.shelf import BUILDS
from lab.process.stored import read_stored
from lab.store.manifest import Manifest
from lab.store.note import VMLINUX, Note, write_note

if TYPE_CHECKING:
    from lab.store.store import Store

LOG = "build.log"
#: All that goes from one machine to another, beside vmlinux.
FILES = tuple(name for name in (*SEALED, SEAL, LOG) if name != VMLINUX)
_FILES = (*FILES, VMLINUX)
#: What the same key has to be the same of: build.json says how long it took, too.
KERNEL = tuple(name for name in SEALED if name != "build.json")
CONFIG = "config"
#: init/Kconfig has it asked and written down whether anything is made by it or not: the kernels of
#: Debian 12 and 13, by one gcc and binutils, were the same but for that line of their configs.
_PAHOLE = re.compile(rb"^CONFIG_PAHOLE_VERSION=.*\n", re.MULTILINE)
_WITH_BTF = b"\nCONFIG_DEBUG_INFO_BTF=y\n"
#: In the cache: how many builds were had from a store.
_COUNT = "store-builds.json"


class _NotHad(Exception):
    """The store has it not, or not so that it can be used."""


def pull_build(job: BuildJob, store: Store) -> Build | None:
    """A build from the store, without its vmlinux; None where it has to be made here."""
    with suppress(_NotHad), locked(BUILDS.lock_of(job.cache, job.key)):
        if (found := find_build(job)) is not None:
            return found  # another lab was quicker
        with scratch_folder(job.folder) as folder:
            manifest = store.pull(BUILDS.kind, job.key, folder, wanted=_FILES, later=[VMLINUX])
            if manifest is None:
                raise _NotHad
            if why := next(_wrong(job, folder, manifest), ""):
                store.refuse(BUILDS.kind, job.key, why)
                raise _NotHad
            _note(folder, store, manifest)
        found = find_build(job)
        came = sum(file.stored for file in manifest.files if file.name != VMLINUX)
        return found and replace(found, brought=came)
    return None


def is_due(job: BuildJob, store: Store) -> bool:
    """Whether a build that was had is one of those to be made here all the same; counts it."""
    every = store.settings.rebuild_every
    if not every:
        return False
    path = job.cache / _COUNT
    count = (read_stored(path, int) or 0) + 1
    with suppress(OSError):
        write_whole(path, b"%d\n" % count)
    return count % every == 0


def forgotten(had: Build) -> dict[str, str]:
    """Take a build out of the cache, to be made here; gives what it was, by file."""
    with locked(BUILDS.lock_of(had.job.cache, had.key)):
        digests = kernel_digests(had.folder)
        remove_tree(had.folder)
    return digests


def other_files(theirs: dict[str, str], ours: Build) -> list[str]:
    """Which files of a kernel are not what another machine made of the same key."""
    digests = kernel_digests(ours.folder)
    return [name for name in KERNEL if theirs.get(name) != digests.get(name)]


def kernel_digests(folder: Path) -> dict[str, str]:
    """What a build is, by file, whatever else its host has installed."""
    digests = {name: text for name, text in sealed_digests(folder).items() if name in KERNEL}
    with suppress(OSError):
        config = (folder / CONFIG).read_bytes()
        if _WITH_BTF not in config:
            digests[CONFIG] = hashlib.sha256(_PAHOLE.sub(b"", config)).hexdigest()
    return digests


def push_build(built: Build, store: Store) -> bool:
    """Put a build there, if it is not; whether it is there now."""
    if not store.pushes:
        return False
    if store.has(BUILDS.kind, built.key):
        return True
    if damage(built.folder, SEALED):
        return False
    files = {name: built.folder / name for name in _FILES}
    return store.push(BUILDS.kind, built.key, files, packed=[VMLINUX])


def _wrong(job: BuildJob, folder: Path, manifest: Manifest) -> Iterator[str]:
    """Why what came is not this build, whatever its manifest says."""
    digests = sealed_digests(folder)
    for name in SEALED:
        file = manifest.file(name)
        if file is None or digests.get(name) != file.sha256:
            yield f"its seal is not of its {name}"
    yield from of_another(job, folder)


def of_another(job: BuildJob, folder: Path) -> Iterator[str]:
    """In what a build's own record says that it is another than the job's."""
    record = read_stored(folder / "build.json", dict[str, Any]) or {}
    made = record.get("toolchain")
    said = {**record, **(made if isinstance(made, dict) else {})}
    for what, wanted in _named(job):
        if said.get(what) != wanted:
            yield f"its build.json is that of another {what}"


def _named(job: BuildJob) -> Iterator[tuple[str, str]]:
    """What build.json says of it as well: all that the key is a digest of but the environment."""
    yield "key", job.key
    yield "tree", job.tree.identity
    yield "overlay", job.overlay.digest
    yield "config", job.config_digest
    yield "compiler", job.toolchain.compiler
    yield "linker", job.toolchain.linker


def _note(folder: Path, store: Store, manifest: Manifest) -> None:
    left = tuple(file for file in manifest.files if file.name == VMLINUX)
    settings = store.settings
    note = Note(str(settings.url), settings.stall_s, left, manifest.host, manifest.made)
    write_note(folder, note)
