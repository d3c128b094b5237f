# SPDX-License-Identifier: GPL-2.0-only
"""The workbench: its source is what the manifest says, after every kind of change and kill."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest

from lab.build import workbench
from lab.build.workbench import Workbench, remove_half_written
from lab.errors import InfrastructureError
from lab.model.version import KernelVersion
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.trees import Tree, read_manifest, write_manifest
from lab.trees.manifest import compute_manifest

Layout = Mapping[str, str]
PLAIN: Layout = {"Makefile": "all:", "mm/gup.c": "gup", "fs/dax.c": "dax"}
#: A value that begins with "-> " is a symlink's, one with "#!" an executable's.
LAYOUTS: list[Layout] = [
    PLAIN,
    {**PLAIN, "mm/gup.c": "gup, patched"},
    {**PLAIN, "mm/gup.c": "#!gup"},
    {**PLAIN, "mm/gup.c": "-> ../fs/dax.c"},
    {**PLAIN, "mm/gup.c": "-> ./../fs/dax.c"},
    {**PLAIN, "mm/new.c": "new", "new/new.c": "new", "fs/gup.c": "another gup"},
    {"Makefile": "all:", "fs/dax.c": "dax"},
    {"Makefile": "all:", "mm": "a file", "fs/dax.c": "dax", "fs/gup.c": "gup"},
    {"Makefile": "all:", "mm": "-> fs", "fs/dax.c": "dax", "fs/gup.c": "another gup"},
    {"Makefile/in/a/folder": "all:", "mm/gup.c/gup.c": "gup"},
]


def tree_of(place: Path, layout: Layout, identity: str = "tarball:1") -> Tree:
    shutil.rmtree(place, ignore_errors=True)
    for path, text in layout.items():
        target = place / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            os.symlink(text[3:], target)  # noqa: PTH211  ("./x" stays "./x")
        else:
            target.write_text(text)
            target.chmod(0o755 if text.startswith("#!") else 0o644)
    write_manifest(place / "manifest", compute_manifest(place / "source"))
    version = KernelVersion(6, 1)
    mine = identity.startswith("dir:")
    manifest = place / "manifest"
    return Tree("6.1", place / "source", identity, version, manifest, immutable=not mine)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """An empty workbench."""
    bench = Workbench(tmp_path / "bench")
    bench.folder.mkdir()
    return bench


@pytest.mark.parametrize("identity", ["tarball:1", "dir:1"])
def test_from_every_layout_to_every_other(bench: Workbench, tmp_path: Path, identity: str) -> None:
    trees = [tree_of(tmp_path / str(n), layout, identity) for n, layout in enumerate(LAYOUTS)]
    for first in trees:
        for second in trees:
            for tree in (first, second):
                bench.sync(tree, Overlay.empty())
                bench.objects.mkdir(exist_ok=True)
                assert compute_manifest(bench.source) == compute_manifest(tree.path)


class Killed(BaseException):
    """As SIGKILL between two system calls: nothing is tidied up."""


def test_killed_at_any_moment(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = (LAYOUTS[5], *LAYOUTS[-2:])
    trees = [tree_of(tmp_path / str(n), layout) for n, layout in enumerate(layouts)]
    kills = 0
    for first, second in permutations(trees, 2):
        for then in (first, second):
            fatal = 1
            bench.sync(first, Overlay.empty())
            bench.objects.mkdir(exist_ok=True)
            while _sync_and_die(bench, second, monkeypatch, fatal):
                bench.sync(then, Overlay.empty())
                assert compute_manifest(bench.source) == read_manifest(then.manifest)
                bench.sync(first, Overlay.empty())
                fatal += 1
                kills += 1
    assert kills > 50


def _sync_and_die(
    bench: Workbench, tree: Tree, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> bool:
    calls = 0

    def mortal(name: str) -> None:
        real = getattr(os, name)

        def call(path: str | Path, *arguments: object, **options: object) -> object:
            nonlocal calls
            if Path(path).is_relative_to(bench.source):
                calls += 1
                if calls == fatal:
                    raise Killed
            return real(path, *arguments, **options)

        monkeypatch.setattr(os, name, call)

    with monkeypatch.context() as monkeypatch:
        for name in ("unlink", "replace", "rmdir"):
            mortal(name)
        try:
            bench.sync(tree, Overlay.empty())
        except Killed:
            return True
    return False


def test_nothing_is_written_when_nothing_changed(bench: Workbench, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", PLAIN)
    patched = Overlay({"mm/gup.c": Replacement(0o100644, b"patched"), "fs/dax.c": None})
    assert [bench.sync(tree, overlay) for overlay in (Overlay.empty(), patched, patched)] == [
        3,
        2,
        0,
    ]


def test_an_overlay_of_every_mode_leaves_the_tree_alone(bench: Workbench, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", PLAIN)
    bench.sync(tree, Overlay.empty())
    bench.sync(tree, Overlay({"mm/gup.c": Replacement(0o100755, b"gup")}))
    assert os.access(bench.source / "mm/gup.c", os.X_OK)
    overlay = Overlay(
        {
            "mm/gup.c": Replacement(0o100644, b"gup"),
            "fs/dax.c": Replacement(0o120000, b"../mm/gup.c"),
            "fs/new.c": Replacement(0o100644, b"new"),
            "Makefile": None,
        }
    )
    bench.sync(tree, overlay)
    assert not (bench.source / "mm/gup.c").stat().st_mode & 0o111
    assert (bench.source / "fs/dax.c").readlink() == Path("../mm/gup.c")
    assert (bench.source / "fs/new.c").read_text() == "new"
    assert not (bench.source / "Makefile").exists()
    assert compute_manifest(tree.path) == compute_manifest(tree_of(tmp_path / "again", PLAIN).path)


def test_an_older_content_gets_a_newer_time_stamp(bench: Workbench, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", PLAIN)
    for path in tree.path.rglob("*.c"):
        os.utime(path, (1, 1))
    bench.sync(tree, Overlay.empty())
    bench.objects.mkdir()
    source = bench.source / "mm/gup.c"
    assert source.stat().st_mtime == 1
    bench.sync(tree, Overlay({"mm/gup.c": Replacement(0o100644, b"patched")}))
    patched = source.stat().st_mtime_ns
    bench.sync(tree, Overlay.empty())
    assert source.read_text() == "gup"
    assert source.stat().st_mtime_ns >= patched


def test_objects_do_not_outlive_the_source_they_came_from(bench: Workbench, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", PLAIN)
    bench.sync(tree, Overlay.empty())
    bench.objects.mkdir()
    bench.manifest.unlink()
    bench.sync(tree, Overlay.empty())
    assert not bench.objects.exists()


@pytest.mark.parametrize("path", ["mm/gup.c", "mm/link.c"])
def test_a_file_that_changes_while_it_is_copied(
    bench: Workbench, tmp_path: Path, path: str
) -> None:
    tree = tree_of(tmp_path / "tree", {**PLAIN, "mm/link.c": "-> gup.c"}, "dir:1")
    changing = tree.path / path
    if changing.is_symlink():
        changing.unlink()
        changing.symlink_to("other.c")
    else:
        changing.write_text("changed")
    with pytest.raises(InfrastructureError, match="changed while") as caught:
        bench.sync(tree, Overlay.empty())
    assert caught.value.where == changing


def test_a_tree_that_a_disk_changed_is_not_linked(bench: Workbench, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", {"mm/gup.c": "int gup;\n"})
    (tree.path / "mm/gup.c").write_text("int gun;\n")
    with pytest.raises(InfrastructureError, match="not what it was when") as caught:
        bench.sync(tree, Overlay.empty())
    assert f"rm -r {tree.path.parent}, " in str(caught.value)


def _object(folder: Path, name: str, at: float, command_at: float | None) -> Path:
    path = folder / name
    for file, moment in ((path, at), (folder / f".{name}.cmd", command_at)):
        if moment is not None:
            file.write_text("x")
            os.utime(file, (moment, moment))
    return path


def test_what_a_kill_may_have_torn_is_removed(tmp_path: Path) -> None:
    whole = _object(tmp_path, "whole.o", 100, 101)
    torn = _object(tmp_path, "torn.o", 150, 101)
    torn_table = _object(tmp_path, "offsets.s", 150, 101)
    unfinished = _object(tmp_path, "unfinished.o", 100, None)
    archive = _object(tmp_path, "libsubcmd.a", 100, None)
    header = _object(tmp_path, "header.h", 100, None)
    recent = _object(tmp_path, "recent.h", 999, None)
    config = _object(tmp_path, ".config", 1000, None)
    assert remove_half_written(tmp_path, 0) == 4
    left = (whole, torn, torn_table, unfinished, archive, header, recent, config)
    kept = ["whole.o", "libsubcmd.a", "header.h", ".config"]
    assert [path.name for path in left if path.exists()] == kept


def test_a_file_from_after_now_does_not_hide_the_moment_of_the_kill(tmp_path: Path) -> None:
    now = time.time()
    _object(tmp_path, "future.h", now + 3600, None)
    recent = _object(tmp_path, "recent.h", now, None)
    old = _object(tmp_path, "old.h", now - workbench._IN_FLIGHT_S - 60, None)
    remove_half_written(tmp_path, 0)
    assert (recent.exists(), old.exists()) == (False, True)


def test_what_was_there_before_a_killed_build_is_left(tmp_path: Path) -> None:
    before = _object(tmp_path, "before.h", 999, None)
    torn_before = _object(tmp_path, "torn.o", 999, 998)
    since = _object(tmp_path, "since.h", 1000, None)
    assert remove_half_written(tmp_path, 1000) == 2
    left = (before.exists(), torn_before.exists(), since.exists())
    assert left == (True, False, False)


def test_what_kconfig_renames_is_no_half_of_a_file(tmp_path: Path) -> None:
    """Without auto.conf it takes all options for new ones, and each object is compiled again."""
    now = time.time()
    (tmp_path / "include/generated").mkdir(parents=True)
    (tmp_path / "include/config").mkdir()
    options = _object(tmp_path, "include/config/auto.conf", now - 1, None)
    option = _object(tmp_path, "include/config/SMP", now - 1, None)
    header = _object(tmp_path, "include/generated/autoconf.h", now - 1, None)
    other = _object(tmp_path, "include/generated/bounds.h", now - 1, None)
    # Older than a .config that is written now, and kconfig would not be asked again.
    later = _object(tmp_path, "include/config/auto.conf.cmd", now + 60, None)
    remove_half_written(tmp_path, 0)
    left = (options, option, header, other, later)
    assert [path.exists() for path in left] == [True, True, True, False, False]


def test_a_build_that_begun_after_now_says_nothing_of_what_is_older(tmp_path: Path) -> None:
    now = time.time()
    recent = _object(tmp_path, "recent.h", now, None)
    remove_half_written(tmp_path, now + 3600)
    assert not recent.exists()


def test_no_objects_yet(tmp_path: Path) -> None:
    assert remove_half_written(tmp_path / "obj", 0) == 0
