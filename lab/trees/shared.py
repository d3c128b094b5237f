# SPDX-License-Identifier: GPL-2.0-only
"""Trees had from the store, and put there: a tar, and the manifest of what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.process import run
from lab.process.child import failure
from lab.process.removal import remove_tree
from lab.process.shelf import TREES
from lab.process.stored import read_stored
from lab.process.temporary import temporary_folder
from lab.trees.manifest import manifest_text
from lab.trees.request import Brought, Request
from lab.trees.tree import Tree
from lab.trees.unpack import unpack

if TYPE_CHECKING:
    from lab.store.store import Store

_ARCHIVE = "source.tar.zst"
_MANIFEST, _RECORD = "manifest", "tree.json"
_DEADLINE_S = 1800.0
#: Of all files, so that the same tree is the same archive: the mail's, as a build's is.
_MTIME = "@1434493742"
_TAR = (
    "tar", "--sort=name", "--format=gnu", f"--mtime={_MTIME}", "--owner=0", "--group=0",
    "--numeric-owner", "-I", "zstd -T0 -6",
)  # fmt: skip

#: tar(1)'s status where "some files were changed while being archived", and what it says of each.
_DIFFERS, _CHANGED = 1, ": file changed as we read it"


@dataclass(frozen=True)
class _Record:
    """What of ``tree.json`` says what it is."""

    identity: str
    provenance: dict[str, str]


def tree_key(identity: str) -> str:
    """What the store calls a tree: 24 hexadecimal digits."""
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


def pull_tree(identity: str, source: Path, work: Path, request: Request) -> Brought | None:
    """Bring a tree in from the store; None where it is not to be had, and nothing is left then.

    Args:
        source: Where it goes; does not exist yet.
        work: An empty folder.
    """
    store = request.store
    if store is None or not store.can_unpack():
        return None
    key = tree_key(identity)
    wanted = (_ARCHIVE, _MANIFEST, _RECORD)
    if store.pull(TREES.kind, key, work, wanted=wanted) is None:
        return None
    try:
        request.say("unpacking it, as the store has it")
        record = read_stored(work / _RECORD, _Record)
        if record is None or record.identity != identity:
            raise _Other(f"it is {record.identity if record else 'no tree'}")
        entries = unpack(work / _ARCHIVE, source, request, work / _ARCHIVE)
        if manifest_text(entries) != (work / _MANIFEST).read_bytes():
            raise _Other("its files are not those of its manifest")
    except (_Other, LabError) as error:
        request.left()
        remove_tree(source)
        remove_tree(source.with_name(f"{source.name}.unpacked"))
        store.refuse(TREES.kind, key, error.what if isinstance(error, LabError) else str(error))
        return None
    return Brought({**record.provenance, **_from(store)}, entries)


class _Other(Exception):
    """What came is not the tree that was asked for."""


def _from(store: Store) -> Mapping[str, str]:
    return {"store": str(store.settings.url)}


def push_tree(tree: Tree, store: Store) -> bool:
    """Put a tree there, if it is not; whether it is there now."""
    key = tree_key(tree.identity)
    if not (tree.immutable and store.pushes and store.can_unpack()):
        return False
    if store.has(TREES.kind, key):
        return True
    with temporary_folder("store") as work:
        archive = work / _ARCHIVE
        folder = tree.path.parent
        _archived(tree.path, archive)
        files = {_ARCHIVE: archive, _MANIFEST: tree.manifest, _RECORD: folder / _RECORD}
        return store.push(TREES.kind, key, files)


def _archived(source: Path, archive: Path) -> None:
    """Write a tree's archive.

    Another lab that links the tree's files meanwhile changes their ctime (inode(7)), which tar
    takes for another content.  A tree's files are immutable, and whoever has the archive compares
    them to the manifest.
    """
    command = ["env", "LC_ALL=C", *_TAR, "-cf", str(archive), "-C", str(source.parent), source.name]
    done = run(command, timeout=_DEADLINE_S, check=False)
    said = done.stderr.splitlines()
    linked = bool(said) and all(line.endswith(_CHANGED) for line in said)
    if done.status != 0 and not (done.status == _DIFFERS and linked):
        raise failure(done)
