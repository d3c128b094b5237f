# SPDX-License-Identifier: GPL-2.0-only
"""A folder of the user's is read in place, again whenever something in it changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.config.model import DirKernel
from lab.errors import UserError
from lab.trees import blob_digest, read_manifest
from lab.trees.directory import _load, _save
from lab.trees.manifest import compute_manifest
from tests.trees.conftest import Cache

LONG_AGO = time.time() - 3600


def kernel(path: Path) -> DirKernel:
    return DirKernel(kind="dir", path=path)


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything written so far old enough for the index to be trusted."""
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr("lab.trees.directory.time.time_ns", lambda: later)


def test_nothing_is_copied(source: Path, cache: Cache) -> None:
    tree = cache.fetch(kernel(Path("linux-6.1")))
    assert tree.path == source
    assert str(tree.version) == "6.1.7"
    assert not tree.immutable
    assert read_manifest(tree.manifest) == compute_manifest(source)


def test_git_is_not_part_of_it(source: Path, cache: Cache) -> None:
    before = cache.fetch(kernel(source)).identity
    (source / ".git").mkdir()
    (source / ".git/HEAD").write_text("x")
    assert cache.fetch(kernel(source)).identity == before


@pytest.mark.parametrize("change", ["content", "mode", "link", "new", "gone"])
def test_a_change_is_seen(
    source: Path, cache: Cache, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    gup = source / "mm/gup.c"
    os.utime(gup, (LONG_AGO, LONG_AGO))
    before = cache.fetch(kernel(source))
    if change == "content":
        gup.write_text("int pug;\n")  # as long, and with the old time
        os.utime(gup, (LONG_AGO, LONG_AGO))
    elif change == "mode":
        gup.chmod(0o755)
    elif change == "link":
        (source / "mm/link.c").unlink()
        (source / "mm/link.c").symlink_to("pug.c")
    elif change == "new":
        (source / "mm/new.c").touch()
    else:
        gup.unlink()
    after = cache.fetch(kernel(source))
    assert after.identity != before.identity
    assert read_manifest(after.manifest) == compute_manifest(source)
    assert read_manifest(before.manifest) != read_manifest(after.manifest)


def test_unchanged_files_are_not_read(
    source: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    before = cache.fetch(kernel(source))
    index = next(cache.folder.glob("trees/dir-*/index"))
    fake = blob_digest(b"what the index says")
    known = _load(index)
    stamp, row = known["mm/gup.c"]
    _save(index, known | {"mm/gup.c": (stamp, row.replace(blob_digest(b"int gup;\n"), fake))})
    after = cache.fetch(kernel(source))
    assert read_manifest(after.manifest)["mm/gup.c"].digest == fake
    assert after.identity != before.identity


def test_files_just_written_are_read_again(source: Path, cache: Cache) -> None:
    cache.fetch(kernel(source))
    # Within one tick of the clock a second write leaves the same stat behind.
    assert _load(next(cache.folder.glob("trees/dir-*/index"))) == {}


def test_a_damaged_index_costs_only_time(source: Path, cache: Cache) -> None:
    before = cache.fetch(kernel(source))
    next(cache.folder.glob("trees/dir-*/index")).write_bytes(b"\xff\x00 half a line")
    assert cache.fetch(kernel(source)).identity == before.identity


def test_a_digit_that_a_disk_flipped_costs_only_time(
    source: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    before = cache.fetch(kernel(source))
    index = next(before.manifest.parent.glob("index"))
    entry = read_manifest(before.manifest)["mm/gup.c"]
    other = "".join(reversed(entry.digest))
    index.write_text(index.read_text().replace(entry.digest, other))
    assert cache.fetch(kernel(source)) == before


def test_a_damaged_manifest_is_made_again(source: Path, cache: Cache) -> None:
    tree = cache.fetch(kernel(source))
    tree.manifest.write_text("100644 x")
    assert cache.fetch(kernel(source)) == tree
    assert read_manifest(tree.manifest) == compute_manifest(source)


@pytest.mark.parametrize("built", [".config", "include/config", "arch/x86/include/generated"])
def test_a_folder_that_was_built_in_is_refused(source: Path, cache: Cache, built: str) -> None:
    (source / built).mkdir(parents=True)
    with pytest.raises(UserError, match=built) as caught:
        cache.fetch(kernel(source))
    hint = str(caught.value.hint)
    assert hint.startswith(f"make -C {source} mrproper, ")
    assert f"cp -a --reflink=auto {source} {source}-lab && make -C {source}-lab mrproper" in hint


def test_the_copy_that_is_advised_is_nothing_that_is_there(source: Path, cache: Cache) -> None:
    (source / ".config").touch()
    source.with_name(f"{source.name}-lab").mkdir()
    with pytest.raises(UserError) as caught:
        cache.fetch(kernel(source))
    assert f" {source} {source}-lab2 && " in str(caught.value.hint)


def test_no_folder_and_no_kernel(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(UserError, match="no folder") as caught:
        cache.fetch(kernel(Path("missing")))
    assert str(caught.value.where) == f'{tmp_path}/lab.toml: kernels."6.1".path'
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no kernel source"):
        cache.fetch(kernel(Path("empty")))
