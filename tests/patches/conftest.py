# SPDX-License-Identifier: GPL-2.0-only
"""Tiny kernel trees, and patches written into files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.model.version import KernelVersion
from lab.patches import Patch, load_patch
from lab.trees import Entry, Tree, blob_digest, write_manifest

#: A file with distinct lines: a1 … a40.
GUP = "".join(f"a{number}\n" for number in range(1, 41))

MakeTree = Callable[..., Tree]
MakePatch = Callable[..., Patch]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """A tree of files (text, bytes, or (mode, bytes)) under their paths."""

    def make(files: dict[str, str | bytes | tuple[int, bytes]]) -> Tree:
        top = tmp_path / "tree"
        entries = {}
        for name, value in files.items():
            mode, content = _file(value)
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if mode == 0o120000:
                path.symlink_to(content.decode())
            else:
                path.write_bytes(content)
                path.chmod(mode & 0o777)
            entries[name] = Entry(mode, blob_digest(content))
        manifest = tmp_path / "manifest"
        write_manifest(manifest, entries)
        return Tree("6.1", top, "test", KernelVersion.parse("6.1.192"), manifest)

    return make


def _file(value: str | bytes | tuple[int, bytes]) -> tuple[int, bytes]:
    if isinstance(value, tuple):
        return value
    return 0o100644, value.encode() if isinstance(value, str) else value


@pytest.fixture
def make_patch(tmp_path: Path) -> MakePatch:
    """A patch file with this text, read."""

    def make(text: str | bytes, *, strip: int = 1, name: str = "fix.patch") -> Patch:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_patch(path, strip=strip)

    return make


def change(first: int, *, name: str = "mm/gup.c", at: int | None = None, index: str = "") -> str:
    """A patch that makes a line of GUP upper case: the fourth one from a``first``.

    Args:
        at: The line that its hunk header names; by default the right one.
        index: A line to put into the diff's header.
    """
    lines = [f"a{first + offset}" for offset in range(7)]
    body = [f" {line}" for line in lines]
    body[3:4] = [f"-{lines[3]}", f"+{lines[3].upper()}"]
    start = first if at is None else at
    head = [f"diff --git a/{name} b/{name}", *([index] if index else [])]
    head += [f"--- a/{name}", f"+++ b/{name}", f"@@ -{start},7 +{start},7 @@ int f(void)"]
    return "\n".join([*head, *body]) + "\n"
