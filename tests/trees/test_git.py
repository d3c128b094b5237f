# SPDX-License-Identifier: GPL-2.0-only
"""Commits of real repositories: any ref, byte by byte, whatever the user's git is set to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.config.model import GitKernel
from lab.errors import UserError
from lab.model.url import Url
from lab.process import run
from lab.trees import read_manifest
from tests.trees.conftest import Cache, write_source

pytestmark = pytest.mark.slow

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def git(folder: Path, *arguments: str) -> str:
    return run(["git", *IDENTITY, *arguments], cwd=folder).stdout.strip()


@pytest.fixture(scope="module")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, on ``main``, tagged ``v6.1.7``."""
    folder = tmp_path_factory.mktemp("git") / "linux"
    write_source(folder)
    (folder / ".gitattributes").write_text("*.id ident\n*.sub export-subst\n*.crlf eol=crlf\n")
    (folder / "a.id").write_text("$Id$\n")
    (folder / "a.sub").write_text("$Format:%H$\n")
    (folder / "a.crlf").write_text("x\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    git(folder, "tag", "-am", "v", "v6.1.7")
    return folder


@pytest.fixture
def repository(first_commit: Path, tmp_path: Path) -> Path:
    """The same, to do with as one likes."""
    return shutil.copytree(first_commit, tmp_path / "linux", symlinks=True)


def commit(repository: Path, content: str) -> str:
    (repository / "mm/gup.c").write_text(content)
    git(repository, "commit", "-qam", content)
    return git(repository, "rev-parse", "HEAD")


def kernel(repository: Path | str, ref: str) -> GitKernel:
    return GitKernel(kind="git", url=Url(str(repository)), ref=ref)


def tree_listing(repository: Path, ref: str) -> list[str]:
    lines = git(repository, "ls-tree", "-r", ref).splitlines()
    return [line.replace(" blob ", " ").replace("\t", " ") for line in lines]


@pytest.mark.parametrize("ref", ["v6.1.7", "sha"])
def test_any_ref_is_the_commit_byte_by_byte(repository: Path, cache: Cache, ref: str) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "int later;\n")
    tree = cache.fetch(kernel(repository, first if ref == "sha" else ref))
    assert tree.identity == f"git:{first}"
    assert tree.manifest.read_text().splitlines() == tree_listing(repository, first)
    assert (tree.path / "a.sub").read_text() == "$Format:%H$\n"
    assert tree.immutable


def test_the_users_git_does_not_interfere(
    repository: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    attributes = tmp_path / "attributes"
    attributes.write_text("*.c eol=crlf\n")
    config.write_text(
        f"[core]\n\tautocrlf = true\n\tattributesFile = {attributes}\n[fetch]\n\tprune = x\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    # As in a hook of some other repository.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "nowhere"))
    tree = cache.fetch(kernel(repository, "main"))
    assert (tree.path / "mm/gup.c").read_bytes() == b"int gup;\n"
    assert not (tmp_path / "nowhere").exists()


def test_a_moved_branch_is_followed_on_refresh(repository: Path, cache: Cache) -> None:
    first = cache.fetch(kernel(repository, "main"))
    moved = commit(repository, "int moved;\n")
    assert cache.fetch(kernel(repository, "main")) == first
    second = cache.fetch(kernel(repository, "main"), refresh=True)
    assert second.identity == f"git:{moved}"
    assert (second.path / "mm/gup.c").read_text() == "int moved;\n"
    assert (first.path / "mm/gup.c").read_text() == "int gup;\n"
    assert cache.fetch(kernel(repository, "main")) == second


def test_a_rewritten_branch_is_followed(repository: Path, cache: Cache) -> None:
    cache.fetch(kernel(repository, "main"))
    git(repository, "commit", "-q", "--amend", "-m", "another")
    head = git(repository, "rev-parse", "HEAD")
    assert cache.fetch(kernel(repository, "main"), refresh=True).identity == f"git:{head}"


def test_history_stays_where_it_is(repository: Path, cache: Cache) -> None:
    commit(repository, "int two;\n")
    cache.fetch(kernel(repository, "main"))
    mirror = cache.folder / "git/mirror.git"
    assert git(mirror, "rev-list", "--count", "--all") == "1"


def test_kernels_share_one_mirror(repository: Path, cache: Cache) -> None:
    first = git(repository, "rev-parse", "HEAD")
    second = commit(repository, "int two;\n")
    assert cache.fetch(kernel(repository, "v6.1.7")).identity == f"git:{first}"
    assert cache.fetch(kernel(repository, "main")).identity == f"git:{second}"
    mirror = cache.folder / "git/mirror.git"
    assert sorted(git(mirror, "rev-list", "--all").splitlines()) == sorted([first, second])
    assert [path.name for path in mirror.parent.iterdir() if path.is_dir()] == ["mirror.git"]
    # Nothing was brought twice.
    counts = dict(line.split(": ") for line in git(mirror, "count-objects", "-v").splitlines())
    objects = git(mirror, "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    assert int(counts["count"]) + int(counts["in-pack"]) == len(objects)


def test_a_repository_on_a_plain_web_server(
    repository: Path, cache: Cache, serve: Callable[[Path], str]
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "int two;\n")
    git(repository, "update-server-info")
    url = serve(repository / ".git")
    assert cache.fetch(kernel(url, "v6.1.7")).identity == f"git:{first}"
    assert cache.fetch(kernel(url, first)).identity == f"git:{first}"


def test_what_a_killed_git_left_is_no_obstacle(repository: Path, cache: Cache) -> None:
    cache.fetch(kernel(repository, "main"))
    mirror = cache.folder / "git/mirror.git"
    left = [
        mirror / "shallow.lock",
        mirror / "packed-refs.lock",
        mirror / "objects/pack/tmp_pack_x",
    ]
    for path in left:
        path.touch()
    commit(repository, "int two;\n")
    tree = cache.fetch(kernel(repository, "main"), refresh=True)
    assert read_manifest(tree.manifest)
    assert [path for path in left if path.exists()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user(repository: Path, cache: Cache) -> None:
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    assert cache.fetch(kernel(repository, "main")).identity.startswith("git:")


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("v9.9", "has no v9.9"),
        ("0123456789" * 4, "has no 0123456789"),
        ("abcdef1", "all 40 digits"),
        ("--upload-pack=touch x", "is not a ref"),
        ("main:refs/heads/x", "is not a ref"),
        ("+main", "is not a ref"),
        ("main~1", "is not a ref"),
    ],
)
def test_refs_that_are_none(repository: Path, cache: Cache, ref: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        cache.fetch(kernel(repository, ref))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f'{cache.root}/lab.toml: kernels."6.1".ref')


def test_no_repository(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no repository"):
        cache.fetch(kernel("missing", "main"))
    (tmp_path / "plain").mkdir()
    with pytest.raises(UserError, match="no git repository"):
        cache.fetch(kernel("plain", "main"))


@pytest.mark.parametrize(
    ("ref", "part", "how"),
    [
        ("main", "objects", "flipped"),
        ("main", "objects", "emptied"),
        ("main", "objects", "removed"),
        ("main", "HEAD", "flipped"),
        ("main", "config", "flipped"),
        ("main", "refs", "flipped"),
        ("main", "refs", "emptied"),
        ("main", "shallow", "flipped"),
        ("sha", "objects", "flipped"),
        ("sha", "refs", "removed"),
    ],
)
def test_a_damaged_mirror_is_made_again(
    repository: Path, cache: Cache, how: str, part: str, ref: str
) -> None:
    """Else it would be an error until somebody found out what to delete."""
    first = git(repository, "rev-parse", "HEAD")
    asked = kernel(repository, first if ref == "sha" else ref)
    right = cache.fetch(asked)
    listing = right.manifest.read_text()
    mirror = cache.folder / "git" / "mirror.git"
    for path in [path for path in mirror.rglob("*") if path.is_file() and part in path.parts]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.unlink()
        if how != "removed":
            path.write_bytes(content * (how == "flipped"))
    shutil.rmtree(cache.folder / "trees")
    again = cache.fetch(asked)
    assert (again.identity, again.manifest.read_text()) == (right.identity, listing)
