# SPDX-License-Identifier: GPL-2.0-only
"""Bring a tree in, once: found in the cache, or made beside its place and renamed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab.config.model import KernelSection
from lab.process.cache_use import note_use
from lab.process.deadline import Deadline
from lab.process.lock import locked_if_free
from lab.process.removal import remove_tree
from lab.process.scratch import write_whole
from lab.process.shelf import TREES
from lab.process.stored import read_stored
from lab.trees.disk_errors import storage_errors
from lab.trees.kernel_names import check_names, misnomer
from lab.trees.manifest import compute_manifest, write_manifest
from lab.trees.request import Brought, Locate, Progress, Request
from lab.trees.shared import pull_tree, push_tree
from lab.trees.signature import BadSignature
from lab.trees.source import Bringing, source_kind
from lab.trees.tree import Tree, load_tree, save_record

# No kernel's name holds "~".
_PARTIAL = "~partial"


def fetch(
    name: str,
    kernel: KernelSection,
    *,
    cache: Path,
    root: Path,
    deadline_s: float,
    refresh: bool,
    progress: Progress | None = None,
    keyring: Path | None = None,
    locate: Locate | None = None,
    of_kernel: bool = True,
) -> Tree:
    """A kernel's source, brought in when it is not in the cache.

    Args:
        root: The folder of ``lab.toml``; the kernel's paths are relative to it.
        deadline_s: Seconds until InfrastructureError.
        refresh: Ask where it comes from whether there is a newer one.
        progress: Called with one line for each thing that begins.
        keyring: OpenPGP keys that tarballs must be signed by; None looks where
            ``find_keyring`` says.
        locate: Where the config says a path of keys, for errors.
        of_kernel: Whether it has to be a kernel's; a suite's has no version.

    Raises:
        UserError: There is no such package, ref, file or folder, it is a bad one, or one
            of another version than its name says.
        InfrastructureError: Network, apt, git or disk fail, or the deadline passed.
    """
    deadline = Deadline("fetch", deadline_s)
    request = Request(name, cache, root, deadline, progress, keyring, locate, of_kernel)
    with storage_errors(cache, name):
        source = source_kind(kernel.kind).source(kernel, request)
        tree = source.tree(_Trees(request, kernel), refresh=refresh)
        if of_kernel:
            check_names(kernel, tree.version, request)
        return tree


class _NotHere(Exception):
    """The cache does not have it."""


class _Kept:
    """The trees of one kernel in the cache, none of which is brought in."""

    def __init__(self, trees: _Trees) -> None:
        self._trees = trees

    def bring(self, _source: Bringing, *, refresh: bool) -> Tree:
        """As TreeCache's; raises _NotHere."""
        tree = None if refresh else self._trees.remembered()
        if tree is None:
            raise _NotHere
        return tree


def find(
    name: str,
    kernel: KernelSection,
    *,
    cache: Path,
    root: Path,
    deadline_s: float,
    locate: Locate | None = None,
) -> Tree | None:
    """A kernel's source where it is on this machine: nothing is downloaded.

    Args:
        As fetch().

    Raises:
        UserError: It is a folder, and no kernel's.
    """
    deadline = Deadline("fetch", deadline_s)
    request = Request(name, cache, root, deadline, locate=locate)
    source = source_kind(kernel.kind).source(kernel, request)
    try:
        with storage_errors(cache, name):
            return source.tree(_Kept(_Trees(request, kernel)), refresh=False)
    except _NotHere:
        return None


def _used(tree: Tree | None) -> Tree | None:
    """Note on the disk that a tree was used."""
    if tree is not None:
        note_use(tree.path.parent)
    return tree


class _Trees:
    """The trees of one kernel in the cache."""

    def __init__(self, request: Request, kernel: KernelSection) -> None:
        self._request = request
        self._kernel = kernel
        self._trees = TREES.place(request.cache)
        digest = hashlib.sha256(kernel.model_dump_json().encode()).hexdigest()[:12]
        self._memory = self._trees / "by-kernel" / f"{request.name}-{digest}.json"

    def bring(self, source: Bringing, *, refresh: bool) -> Tree:
        """As TreeCache's."""
        if not refresh and (tree := self.remembered()) is not None:
            return tree
        with self._request.turn(self._lock(self._request.name), "fetching it"):
            # The other lab may have brought it in while this one waited.
            tree = None if refresh else self.remembered()
            return tree or self._resolve(source, refresh=refresh)

    def remembered(self) -> Tree | None:
        """What the cache has of it."""
        identity = (read_stored(self._memory, dict[str, str]) or {}).get("identity")
        if identity is None:
            return None
        tree = load_tree(self._folder(identity))
        # A lab before this one took linux-source-6.12 for linux-source-6.1: asked for again.
        request = self._request
        wrong = tree and request.of_kernel and misnomer(self._kernel, request.name, tree.version)
        return None if wrong else _used(tree)

    def _resolve(self, source: Bringing, *, refresh: bool) -> Tree:
        identity = source.identify()
        tree = _used(load_tree(self._folder(identity)))
        if tree is None:
            tree = self._make(source, identity)
        elif refresh:
            tree = self._recheck(source, tree)
        self._memory.parent.mkdir(exist_ok=True)
        write_whole(self._memory, json.dumps({"identity": identity}).encode())
        return tree

    def _make(self, source: Bringing, identity: str) -> Tree:
        folder = self._folder(identity)
        with self._partial() as partial:
            work = partial / "work"
            work.mkdir()
            shared = pull_tree(identity, partial / "source", work, self._request)
            if shared is None:
                shutil.rmtree(work)
                work.mkdir()
            brought = shared or source.write(partial / "source", work)
            shutil.rmtree(work)
            self._describe(partial, identity, brought)
            remove_tree(folder)
            partial.rename(folder)
        tree = load_tree(folder)
        assert tree is not None
        if shared is not None:
            # What another lab took for whole, this one may have a key to check.
            return self._recheck(source, tree)
        if self._request.store is not None:
            push_tree(tree, self._request.store)
        return tree

    def _recheck(self, source: Bringing, tree: Tree) -> Tree:
        """Check what there is to check of a tree that came before."""
        try:
            provenance = source.recheck(tree.provenance)
        except BadSignature:
            remove_tree(tree.path.parent)
            raise
        if provenance is None:
            return tree
        checked = replace(tree, provenance=provenance)
        save_record(tree.path.parent, checked)
        return checked

    def _describe(self, partial: Path, identity: str, brought: Brought) -> None:
        path, manifest = partial / "source", partial / "manifest"
        version = self._request.version(path, "kind")
        entries = compute_manifest(path) if brought.entries is None else brought.entries
        write_manifest(manifest, entries)
        provenance = dict(brought.provenance)
        tree = Tree(self._request.name, path, identity, version, manifest, provenance)
        save_record(partial, tree)

    def _folder(self, identity: str) -> Path:
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return self._trees / f"{digest}-{self._request.name}"

    def _lock(self, name: str) -> Path:
        return TREES.lock_of(self._request.cache, name)

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        self._sweep()
        partial = self._trees / f".{self._request.name}{_PARTIAL}"
        remove_tree(partial)
        partial.mkdir()
        try:
            yield partial
        finally:
            remove_tree(partial)

    def _sweep(self) -> None:
        """Remove what labs that were killed left of other kernels."""
        for partial in self._trees.glob(f".*{_PARTIAL}"):
            name = partial.name[1:].removesuffix(_PARTIAL)
            if name == self._request.name:
                continue
            with locked_if_free(self._lock(name)) as free:
                if free:
                    remove_tree(partial)
