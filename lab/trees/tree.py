# SPDX-License-Identifier: GPL-2.0-only
"""A kernel's source on disk, and the record beside it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import InfrastructureError
from lab.model.tree_identity import TreeIdentity
from lab.model.url import without_secrets
from lab.model.version import KernelVersion
from lab.process.scratch import write_whole
from lab.process.stored import read_stored


@dataclass(frozen=True)
class Tree:
    """A kernel's source at an exact identity.

    ``path`` is the folder with the top Makefile, never written to by the lab;
    ``manifest`` is a file for ``read_manifest``; ``provenance`` says where it
    came from.
    """

    kernel: str
    path: Path
    identity: str
    version: KernelVersion
    manifest: Path
    #: Not part of what it is: the same source may come from several places.
    provenance: Mapping[str, str] = field(default_factory=dict, compare=False)
    #: Whether its files stay as they are: all but those of a folder of the user's.
    immutable: bool = True

    def changed(self, path: str) -> InfrastructureError:
        """That a file is not what the manifest says, and what mends it."""
        if self.immutable:
            what = "the file is not what it was when the tree was fetched"
            # A fetch keeps the tree that is there.
            hint = f"rm -r {shlex.quote(str(self.path.parent))}, then the same command again"
        else:
            what = "the file changed while the lab was at work"
            hint = "run the same command again when the folder is at rest"
        return InfrastructureError(what, where=self.path / path, hint=hint)

    @property
    def family(self) -> str:
        """What it has in common with trees that are built where it was: as a rule its kernel.

        A commit that is a kernel for once, under no name but its own digits, has that in common
        with all others of its repository and version: one after the other is built then, as
        `git bisect` would have it, and what they share is compiled once.
        """
        identity = TreeIdentity(self.identity)
        url = self.provenance.get("url", "")
        if identity.kind != "git" or identity.short_digest != self.kernel or not url:
            return self.kernel
        version = f"{self.version.version}.{self.version.patchlevel}"
        return f"commits-{hashlib.sha256(url.encode()).hexdigest()[:8]}-{version}"

    @property
    def signature(self) -> str:
        """Of a tarball: who signed it, or why that was not checked; of all else nothing."""
        return self.provenance.get("signature", "")


def save_record(folder: Path, tree: Tree, path: Path | None = None) -> None:
    """Write ``tree.json`` into ``folder``: what the tree is and where it came from.

    Args:
        path: Where the source is, when it is not in ``folder``.
    """
    record = {
        "kernel": tree.kernel,
        "identity": tree.identity,
        "version": str(tree.version),
        "kind": TreeIdentity(tree.identity).kind,
        "path": str(path) if path else "source",
        "provenance": dict(tree.provenance),
    }
    write_whole(folder / "tree.json", (json.dumps(record, indent=2) + "\n").encode())


@dataclass(frozen=True)
class _Record:
    """What of ``tree.json`` is read again."""

    kernel: str
    identity: str
    version: str
    provenance: dict[str, str]


def load_tree(folder: Path) -> Tree | None:
    """The tree that was made in ``folder``, or None when there is none or a part of one."""
    record = read_stored(folder / "tree.json", _Record)
    if record is None:
        return None
    try:
        version = KernelVersion.parse(record.version)
    except ValueError:
        return None
    tree = Tree(
        kernel=record.kernel,
        path=folder / "source",
        identity=record.identity,
        version=version,
        manifest=folder / "manifest",
        provenance={
            # An older lab recorded URLs with the secrets in them.
            key: without_secrets(value)
            for key, value in record.provenance.items()
        },
    )
    return tree if tree.path.is_dir() and tree.manifest.is_file() else None
