# SPDX-License-Identifier: GPL-2.0-only
"""What a run keeps of its kernel: the patch makes the tree what was built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.config.model import DirKernel
from lab.execution.artifacts import patch_of
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.process import run
from lab.trees import Tree, fetch


@pytest.fixture
def tree(fake_kernel: Path, tmp_path: Path) -> Tree:
    (fake_kernel / "doomed.c").write_text("int x;\n")
    (fake_kernel / "no-newline").write_text("last")
    (fake_kernel / "tool.sh").write_text("#!/bin/sh\n")
    (fake_kernel / "tool.sh").chmod(0o755)
    kernel = DirKernel(kind="dir", path=fake_kernel)
    return fetch("fake", kernel, cache=tmp_path, root=tmp_path, deadline_s=10, refresh=False)


def test_the_patch_makes_the_overlay(tree: Tree, tmp_path: Path) -> None:
    wanted = {
        "mm/gup.c": Replacement(0o100644, b"/* \xc3\xa9 */\nint gup;\n"),
        "doomed.c": None,
        "new folder/b\xc3\xa9.c": Replacement(0o100644, b"int new;\n"),
        "no-newline": Replacement(0o100644, b"other last"),
        "tool.sh": Replacement(0o100755, b"#!/bin/sh\ntrue\n"),
        "made.sh": Replacement(0o100755, b"#!/bin/sh\n"),
        "firmware.bin": Replacement(0o100644, bytes(range(256))),
        "link": Replacement(0o120000, b"mm/gup.c"),
    }
    (tmp_path / "applied.patch").write_text(patch_of(tree, Overlay(wanted)))
    copy = tmp_path / "copy"
    shutil.copytree(tree.path, copy, symlinks=True)
    run(["git", "apply", "../applied.patch"], cwd=copy)
    for path, replacement in wanted.items():
        there = copy / path
        if replacement is None:
            assert not there.exists()
        elif replacement.mode == 0o120000:
            assert str(there.readlink()) == "mm/gup.c"
        else:
            assert there.read_bytes() == replacement.content
            assert bool(there.stat().st_mode & 0o100) is (replacement.mode == 0o100755)


def test_nothing_changed_is_no_patch(tree: Tree) -> None:
    same = Replacement(0o100644, (tree.path / "mm/gup.c").read_bytes())
    assert patch_of(tree, Overlay({"mm/gup.c": same})) == ""
