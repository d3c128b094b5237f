# SPDX-License-Identifier: GPL-2.0-only
"""A commit's tree, linked from one that has most of its files: it is the commit all the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab.config.model import GitKernel
from lab.model.url import Url
from lab.process import run
from lab.trees import Tree, read_manifest
from lab.trees.manifest import compute_manifest
from tests.trees.conftest import Cache, write_source

pytestmark = pytest.mark.slow

_IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")
_MANY = tuple(f"fs/f{number}.c" for number in range(20))


def _git(folder: Path, *arguments: str) -> str:
    return run(["git", *_IDENTITY, *arguments], cwd=folder).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "linux"
    write_source(folder)
    (folder / "fs").mkdir()
    for name in _MANY:
        (folder / name).write_text(f"{name}\n")
    _git(folder, "init", "-q", "-b", "main")
    _commit(folder)
    return folder


def _commit(folder: Path) -> str:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", "it")
    return _git(folder, "rev-parse", "HEAD")


def _fetch(cache: Cache, repository: Path, commit: str) -> Tree:
    return cache.fetch(GitKernel(kind="git", url=Url(str(repository)), ref=commit))


def _rows(repository: Path, commit: str) -> list[str]:
    lines = _git(repository, "ls-tree", "-r", commit).splitlines()
    return [line.replace(" blob ", " ").replace("\t", " ") for line in lines]


def _inode(tree: Tree, name: str) -> int:
    return os.lstat(tree.path / name).st_ino


def _is_exact(tree: Tree, repository: Path, commit: str) -> bool:
    on_disk = compute_manifest(tree.path)
    said = tree.manifest.read_text().splitlines()
    return said == _rows(repository, commit) and dict(read_manifest(tree.manifest)) == on_disk


def test_what_is_alike_is_the_same_file_and_all_is_the_commits(
    repository: Path, cache: Cache
) -> None:
    before = _fetch(cache, repository, _git(repository, "rev-parse", "HEAD"))
    (repository / "mm/gup.c").write_text("int other;\n")
    (repository / "fs/f1.c").unlink()
    (repository / "fs/new").mkdir()
    (repository / "fs/new/é.c").write_text("new\n")
    (repository / "fs/f2.c").chmod(0o755)
    later = _commit(repository)
    tree = _fetch(cache, repository, later)
    assert _inode(tree, "fs/f3.c") == _inode(before, "fs/f3.c")
    assert _inode(tree, "mm/link.c") == _inode(before, "mm/link.c")
    assert _inode(tree, "mm/gup.c") != _inode(before, "mm/gup.c")
    assert tree.identity == f"git:{later}"
    assert dict(read_manifest(tree.manifest)) == compute_manifest(tree.path)
    assert (before.path / "mm/gup.c").read_text() == "int gup;\n"


def test_a_file_that_was_written_to_is_not_taken(repository: Path, cache: Cache) -> None:
    before = _fetch(cache, repository, _git(repository, "rev-parse", "HEAD"))
    damaged = before.path / "fs/f3.c"
    damaged.write_text("damaged\n")
    after = before.manifest.stat().st_mtime_ns + 1
    os.utime(damaged, ns=(after, after))
    (repository / "mm/gup.c").write_text("int other;\n")
    later = _commit(repository)
    tree = _fetch(cache, repository, later)
    assert (tree.path / "fs/f3.c").read_text() == "fs/f3.c\n"
    assert _is_exact(tree, repository, later)


def test_of_a_tree_that_lost_its_files_nothing_is_taken(repository: Path, cache: Cache) -> None:
    before = _fetch(cache, repository, _git(repository, "rev-parse", "HEAD"))
    shutil.rmtree(before.path / "fs")
    (repository / "mm/gup.c").write_text("int other;\n")
    later = _commit(repository)
    assert _is_exact(_fetch(cache, repository, later), repository, later)


def test_a_tree_that_is_another_is_no_neighbour(repository: Path, cache: Cache) -> None:
    before = _fetch(cache, repository, _git(repository, "rev-parse", "HEAD"))
    for name in _MANY[:10]:
        (repository / name).write_text("another\n")
    later = _commit(repository)
    tree = _fetch(cache, repository, later)
    assert _inode(tree, "fs/f15.c") != _inode(before, "fs/f15.c")
    assert _is_exact(tree, repository, later)
