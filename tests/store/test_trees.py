# SPDX-License-Identifier: GPL-2.0-only
"""Trees that one machine has brought in and another has from the store."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.config.model import TarballKernel
from lab.model.url import Url
from lab.process import ProcessFailed, run
from lab.store.registry import store_of, use_store
from lab.store.settings import StoreSettings
from lab.trees import Tree, read_manifest
from lab.trees import shared as shared_trees
from lab.trees.manifest import compute_manifest
from lab.trees.shared import _archived, push_tree, tree_key
from tests.store.conftest import manifests
from tests.trees.conftest import Cache, source

__all__ = ["source"]

pytestmark = pytest.mark.slow


@pytest.fixture
def kernel(source: Path) -> TarballKernel:
    archive = source.parent / "linux.tar.gz"
    run(["tar", "-czf", archive, "-C", source.parent, "linux-6.1"])
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return TarballKernel(kind="tarball", url=Url(str(archive)), sha256=digest)


class Machine(Cache):
    """One whose cache asks a store."""

    def __init__(self, folder: Path, shared: Path) -> None:
        super().__init__(folder, folder.parent)
        self.told: list[str] = []
        use_store(folder, StoreSettings(Url(shared.as_uri()), push=True), self.told.append)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture
def one(tmp_path: Path, shared: Path) -> Machine:
    return Machine(tmp_path / "one", shared)


@pytest.fixture
def two(tmp_path: Path, shared: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "two", shared)
    yield machine
    for folder in (machine.folder, tmp_path / "one"):
        use_store(folder, None, print)


def is_from_store(tree: Tree) -> bool:
    return "store" in tree.provenance


def test_one_brings_it_in_and_the_other_has_it(
    one: Machine, two: Machine, kernel: TarballKernel, source: Path, shared: Path
) -> None:
    made = one.fetch(kernel)
    assert (one.told, is_from_store(made)) == ([], False)
    Path(str(kernel.url)).unlink()
    had = two.fetch(kernel)
    assert two.told == []
    assert (had.identity, had.version) == (made.identity, made.version)
    assert had.manifest.read_bytes() == made.manifest.read_bytes()
    assert read_manifest(had.manifest) == compute_manifest(had.path) == compute_manifest(source)
    assert had.provenance == {**made.provenance, "store": shared.as_uri()}
    assert two.fetch(kernel) == had


def test_the_same_tree_is_the_same_archive(
    one: Machine, two: Machine, kernel: TarballKernel, shared: Path
) -> None:
    one.fetch(kernel)
    (manifest,) = manifests(shared)
    before = json.loads(manifest.read_text())["files"]
    manifest.unlink()
    two.fetch(kernel)
    (manifest,) = manifests(shared)
    assert json.loads(manifest.read_text())["files"][1:2] == before[1:2]


def put(machine: Machine, shared: Path, top: Path, tree: Tree) -> None:
    """Have the store say of other files that they are this tree, each with its right digest."""
    from lab.store.registry import store_of

    shutil.rmtree(shared / "lab-1")
    archive = top / "source.tar.zst"
    run(["tar", "-I", "zstd", "-cf", archive, "-C", top, "source"])
    files = {
        "source.tar.zst": archive,
        "manifest": tree.manifest,
        "tree.json": tree.path.parent / "tree.json",
    }
    store = store_of(machine.folder)
    assert store is not None
    assert store.push("tree", tree_key(tree.identity), files)


def test_other_files_are_not_taken(
    one: Machine, two: Machine, kernel: TarballKernel, shared: Path, tmp_path: Path
) -> None:
    made = one.fetch(kernel)
    shutil.copytree(made.path, tmp_path / "other/source", symlinks=True)
    (tmp_path / "other/source/mm/gup.c").write_text("int evil;\n")
    put(one, shared, tmp_path / "other", made)
    had = two.fetch(kernel)
    assert not is_from_store(had)
    assert (had.path / "mm/gup.c").read_text() == "int gup;\n"
    assert "its files are not those of its manifest" in two.told[0]
    assert not list(two.folder.glob("trees/.*~partial"))


def test_another_tree_is_not_taken(
    one: Machine, two: Machine, kernel: TarballKernel, shared: Path, tmp_path: Path
) -> None:
    made = one.fetch(kernel)
    shutil.copytree(made.path, tmp_path / "other/source", symlinks=True)
    record = made.path.parent / "tree.json"
    record.write_text(record.read_text().replace(made.identity, "tarball:of-another"))
    put(one, shared, tmp_path / "other", made)
    assert not is_from_store(two.fetch(kernel))
    assert "it is tarball:of-another" in two.told[0]


def test_nothing_is_written_outside(
    one: Machine, two: Machine, kernel: TarballKernel, shared: Path, tmp_path: Path
) -> None:
    made = one.fetch(kernel)
    (tmp_path / "other/source").mkdir(parents=True)
    put(one, shared, tmp_path / "other", made)
    (manifest,) = manifests(shared)
    files = json.loads(manifest.read_text())["files"]
    (row,) = (row for row in files if row["name"] == "source.tar.zst")
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as evil:
        evil.add(record := made.path / "Makefile", "../../escaped")
    assert record.exists()
    shutil.rmtree(shared / "lab-1")
    from lab.store.registry import store_of

    store = store_of(one.folder)
    assert store is not None
    names = {"manifest": made.manifest, "tree.json": made.path.parent / "tree.json"}
    assert store.push("tree", tree_key(made.identity), {**names, row["name"]: archive})
    assert not is_from_store(two.fetch(kernel))
    assert "would be outside of it" in two.told[0]
    assert not list(tmp_path.rglob("escaped"))


def test_a_store_without_it_is_no_trouble(two: Machine, kernel: TarballKernel) -> None:
    assert not is_from_store(two.fetch(kernel))
    assert two.told == []


def test_a_tree_that_others_link_meanwhile(
    one: Machine, two: Machine, kernel: TarballKernel, source: Path, shared: Path
) -> None:
    """As labs that build do; tar says of each such file that it changed as it was read."""
    with (source / "big.bin").open("wb") as big:
        big.write(os.urandom(48 << 20))
    run(["tar", "-czf", str(kernel.url), "-C", source.parent, "linux-6.1"])
    digest = hashlib.sha256(Path(str(kernel.url)).read_bytes()).hexdigest()
    kernel = kernel.model_copy(update={"sha256": digest})
    made = one.fetch(kernel)
    (manifest,) = manifests(shared)
    manifest.unlink()
    store = store_of(one.folder)
    assert store is not None
    with linked_over_and_over(made.path / "big.bin", shared.parent / "link"):
        assert push_tree(made, store)
    assert is_from_store(two.fetch(kernel))
    assert (one.told, two.told) == ([], [])


def test_a_tree_whose_file_cannot_be_read_is_not_pushed(tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    with pytest.raises(ProcessFailed, match="ended with status 2"):
        _archived(tmp_path / "none", tmp_path / "archive")


def test_an_archive_that_came_to_nothing_without_a_word_is_not_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linux").mkdir()
    monkeypatch.setattr(shared_trees, "_TAR", ("false",))
    with pytest.raises(ProcessFailed, match="ended with status 1"):
        _archived(tmp_path / "linux", tmp_path / "archive")


@contextmanager
def linked_over_and_over(path: Path, link: Path) -> Iterator[None]:
    over = threading.Event()

    def links() -> None:
        while not over.is_set():
            link.hardlink_to(path)
            link.unlink()

    thread = threading.Thread(target=links)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
