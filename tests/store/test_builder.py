# SPDX-License-Identifier: GPL-2.0-only
"""The whole way: two projects with caches of their own, and what is said and recorded."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.build import Build
from lab.builder import Builder
from lab.config import load
from lab.model.variant import Variant
from lab.store.note import NOTE
from lab.store.registry import store_of
from lab.store.store import Store
from tests.config.conftest import Project
from tests.store.conftest import blobs, manifests

pytestmark = pytest.mark.slow


@dataclass
class Host:
    """A project, which listens to its own builder."""

    project: Project
    said: list[str] = field(default_factory=list)

    def build(self) -> Build:
        loaded = load(self.project.root)
        return Builder(loaded, self).build(Variant("6.1"), "default")

    def say(self, message: str) -> None:
        self.said.append(message)

    def step(self, variant: str, step: object) -> None:
        """Nothing."""

    def result(self, result: object) -> None:
        """Nothing."""

    @property
    def store(self) -> Store:
        found = store_of(self.project.root / "cache")
        assert found is not None
        return found


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def host(root: Path, kernel: Path, shared: Path, more: str = "push = true") -> Host:
    root.mkdir()
    project = Project(root)
    shutil.copytree(kernel, root / "linux")
    project.change('kind = "apt"\npackage = "linux-source-6.1"', 'kind = "dir"\npath = "linux"')
    project.append('[paths]\ncache = "cache"\n[build]\nsandbox = "none"\n')
    project.append(f'[store]\nurl = "{shared.as_uri()}"\n{more}\n')
    (root / "kconfigs/base.config").write_text("CONFIG_SMP=y\n")
    return Host(project)


def test_one_builds_and_the_other_has_it(tmp_path: Path, fake_kernel: Path, shared: Path) -> None:
    one, two = (host(tmp_path / name, fake_kernel, shared) for name in ("one", "two"))
    made = one.build()
    assert "6.1: put into the store" in one.said
    had = two.build()
    assert two.said[1:] == [f"6.1: had {made.key} from the store"]
    assert had.origin.startswith(f"{shared.as_uri()}, by ")
    assert had.brought > had.image.stat().st_size
    assert (made.origin, made.brought) == ("", 0)
    assert two.build().origin == had.origin
    assert two.said[-1] == f"6.1: cached {made.key}"


def test_a_store_that_is_away(tmp_path: Path, fake_kernel: Path, shared: Path) -> None:
    one = host(tmp_path / "one", fake_kernel, shared)
    shared.rmdir()
    assert not one.build().cached
    told = [line for line in one.said if line.startswith("store ")]
    assert len(told) == 1
    assert "there is no folder" in told[0]


EVERY = "push = true\nrebuild_every = 2"


def test_every_second_is_made_here_too(tmp_path: Path, fake_kernel: Path, shared: Path) -> None:
    one = host(tmp_path / "one", fake_kernel, shared)
    one.build()
    two = host(tmp_path / "two", fake_kernel, shared, EVERY)
    assert two.build().origin
    assert two.store.account.rebuilt == 0
    shutil.rmtree(tmp_path / "two/cache/builds")
    made = two.build()
    assert (made.cached, made.origin, (made.folder / NOTE).exists()) == (False, "", False)
    assert two.said[-1] == "6.1: it is the same, byte for byte"
    assert (two.store.account.rebuilt, two.store.account.other) == (1, 0)
    shutil.rmtree(tmp_path / "two/cache/builds")
    assert two.build().origin


def test_what_is_another_here_is_told_and_not_taken(
    tmp_path: Path, fake_kernel: Path, shared: Path
) -> None:
    """What shapes it and is not in the key: here a file that the compiler reads."""
    (tmp_path / "shape.h").write_text('char shape[] = "one";\n')
    with (fake_kernel / "mm/gup.c").open("a") as source:
        source.write(f'#include "{tmp_path}/shape.h"\n')
    one = host(tmp_path / "one", fake_kernel, shared)
    theirs = one.build()
    (tmp_path / "shape.h").write_text('char shape[] = "two and more";\n')
    two = host(tmp_path / "two", fake_kernel, shared, EVERY.replace("2", "1"))
    made = two.build()
    assert (made.key, made.cached) == (theirs.key, False)
    assert "made here is NOT what the store has" in two.said[-1]
    assert "vmlinux" in two.said[-1]
    assert two.store.account.other == 1
    assert two.build().folder == made.folder


def test_what_was_damaged_there_is_mended(tmp_path: Path, fake_kernel: Path, shared: Path) -> None:
    one, two = (host(tmp_path / name, fake_kernel, shared) for name in ("one", "two"))
    one.build()
    (manifest,) = manifests(shared)
    for path in blobs(shared):
        path.write_bytes(b"")
    assert not two.build().cached
    assert [line for line in two.said if "is damaged" in line]
    three = host(tmp_path / "three", fake_kernel, shared)
    assert three.build().origin
    assert json.loads(manifest.read_text())["key"] == three.build().key
