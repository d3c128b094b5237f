# SPDX-License-Identifier: GPL-2.0-only
"""A new workbench takes over what is the same in the nearest one, and nothing else."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import BuildJob
from lab.build import nearest_workbench as nearest
from lab.build.applied_mends import Applied, Mended
from lab.build.build import workbench_of
from lab.build.rules import runs_while_built
from lab.build.workbench import UNKNOWN
from lab.errors import UserError
from lab.patches import Overlay
from lab.process.removal import remove_tree
from lab.trees import read_rows, write_rows
from tests.build.conftest import Bench, Files, elsewhere, until

ALL = ["fs/dax.o", "mm/gup.o", "mm/mlock.o"]
GUP = "int gup(void)\n{\n\treturn 1;\n}\n"
MLOCK = "int mlock(void)\n{\n\treturn 1;\n}\n"


def _mine(bench: Bench, files: Files | None = None, **others: str) -> BuildJob:
    """The job of another kernel, whose tree is the folder as it is now."""
    job = bench.job(files, **others)  # type: ignore[arg-type]
    return replace(job, tree=replace(job.tree, kernel="mine"))


def test_a_tree_that_differs_by_one_file_compiles_one_object(bench: Bench) -> None:
    bench.build(bench.job())
    (bench.kernel / "mm/gup.c").write_text(GUP)
    mine = _mine(bench)
    built = bench.build(mine)
    assert bench.compiled == ["mm/gup.o"]
    assert built.image.read_bytes() == bench.from_nothing(mine)
    assert workbench_of(mine).folder != workbench_of(bench.job()).folder
    # From now on each has its own.
    bench.build(_mine(bench, {"mm/mlock.c": MLOCK}))
    assert bench.compiled == ["mm/mlock.o"]


def test_a_file_that_went_from_the_nearest_is_written(bench: Bench) -> None:
    """Else no build that is near it would ever begin, and none would say why."""
    bench.build(bench.job())
    (workbench_of(bench.job()).source / "mm/mlock.c").unlink()
    (bench.kernel / "mm/gup.c").write_text(GUP)
    mine = _mine(bench)
    built = bench.build(mine)
    assert bench.compiled == ["mm/gup.o", "mm/mlock.o"]
    assert built.image.read_bytes() == bench.from_nothing(mine)
    # And where it went it is written with the next build.
    again = bench.job({"fs/dax.c": "int dax(void)\n{\n\treturn 1;\n}\n"})
    assert bench.build(again).image.read_bytes() == bench.from_nothing(again)


def test_symlinks_of_a_source_that_shares_no_files(bench: Bench) -> None:
    """As a build in no sandbox leaves it: to a folder, to a file, and to nothing."""
    links = {"folder": "fs", "file": "fs/dax.c", "nothing": "fs/none"}
    for name, to in links.items():
        (bench.kernel / name).symlink_to(to)
    bench.build(replace(bench.job(), sandbox="none"))
    assert workbench_of(bench.job()).own.exists()
    mine = replace(_mine(bench, {"mm/gup.c": GUP}), sandbox="none")
    bench.build(mine)
    assert bench.compiled == ["mm/gup.o"]
    source = workbench_of(mine).source
    assert {name: str((source / name).readlink()) for name in links} == links


def test_the_one_it_started_from_stays_as_it_was(bench: Bench) -> None:
    bench.build(bench.job())
    old = workbench_of(bench.job()).folder
    before = {path: _state(path) for path in old.rglob("*") if path.name != "lock"}
    bench.build(_mine(bench, {"mm/gup.c": GUP}))
    assert bench.compiled == ["mm/gup.o"]
    assert {path: _state(path) for path in old.rglob("*") if path.name != "lock"} == before
    job = bench.job({"mm/mlock.c": MLOCK})
    built = bench.build(job)
    assert bench.compiled == ["mm/mlock.o"]
    assert built.image.read_bytes() == bench.from_nothing(job)


def _state(path: Path) -> tuple[bytes, int] | None:
    return (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else None


def test_another_config_compiles_what_it_touches(bench: Bench) -> None:
    bench.build(bench.job())
    other = bench.job(options="# CONFIG_SMP is not set\n")
    built = bench.build(other)
    # All of the fake kernel depends on its .config.
    assert bench.compiled == ALL
    assert "# CONFIG_SMP is not set" in (built.folder / "config").read_text()
    assert built.image.read_bytes() == bench.from_nothing(other)


@pytest.mark.parametrize("what", ["compiler", "flags"])
def test_nothing_is_taken_from_another_compiler(bench: Bench, what: str) -> None:
    bench.build(bench.job())
    mine = _mine(bench, compiler="gcc 13")
    if what == "flags":
        flags = Applied("a mend", "", (), None, ("-O1",), ())
        mine = replace(_mine(bench), mends=Mended(Overlay.empty(), (flags,)))
    bench.build(mine)
    assert bench.compiled == ALL
    assert _started_from(mine) is None


def test_nothing_is_taken_from_a_tree_that_is_far(bench: Bench) -> None:
    bench.build(bench.job())
    far = _mine(bench, {"mm/gup.c": GUP, "mm/mlock.c": MLOCK})
    bench.build(far)
    assert bench.compiled == ALL
    assert _started_from(far) is None


def test_the_nearest_is_taken(bench: Bench) -> None:
    bench.build(bench.job())
    second = replace(bench.job({"mm/gup.c": GUP}), tree=replace(bench.tree(), kernel="second"))
    bench.build(second)
    tree = replace(bench.tree(), kernel="third", identity="dir:third", immutable=False)
    third = replace(bench.job({"mm/gup.c": GUP}), tree=tree)
    bench.build(third)
    assert bench.compiled == []
    assert _started_from(third) == workbench_of(second).folder.name


def test_the_nearest_config_is_taken(bench: Bench) -> None:
    """Not what asks for as much, and has more: what that has is in each file."""
    asked = {"plain": "CONFIG_SMP=y\n", "more": "CONFIG_SMP=y\nCONFIG_DAX=y\n"}
    benches = {}
    for name, options in asked.items():
        bench.build(job := bench.job(options=options))
        benches[name] = workbench_of(job).folder.name
    cases = {f"{options}CONFIG_BASE=y\n": name for name, options in asked.items()}
    for options, nearest_one in cases.items():
        bench.build(job := bench.job(options=options))
        assert _started_from(job) == benches[nearest_one]
        remove_tree(workbench_of(job).folder)


def test_nothing_is_taken_from_what_gc_removes(bench: Bench) -> None:
    bench.build(bench.job())
    old = workbench_of(bench.job()).folder
    old.rename(old.with_name(f".gc-{old.name}"))
    mine = _mine(bench, {"mm/gup.c": GUP})
    bench.build(mine)
    assert _started_from(mine) is None


def test_a_kernel_of_one_s_own_does_not_start_from_another_config(bench: Bench) -> None:
    """Where there are both, a file is compiled sooner than an option's files are."""
    bench.build(bench.job(options="# CONFIG_SMP is not set\n"))
    bench.build(bench.job())
    mine = _mine(bench, {"mm/gup.c": GUP})
    bench.build(mine)
    assert _started_from(mine) == workbench_of(bench.job()).folder.name


def _poisoned(bench: Bench) -> BuildJob:
    makefile = (bench.kernel / "Makefile").read_text()
    run = "did := $(shell cp $(srctree)/mm/mlock.c $(objtree)/mm/gup.o 2>/dev/null)\n"
    return bench.job({"Makefile": makefile + run})


def test_nothing_that_a_makefile_of_a_series_left_gets_into_another_kernel(bench: Bench) -> None:
    bench.build(bench.job())
    with suppress(UserError):
        bench.build(_poisoned(bench))
    mine = _mine(bench, {"mm/mlock.c": MLOCK})
    built = bench.build(mine)
    assert (bench.compiled, _started_from(mine)) == (ALL, None)
    assert built.image.read_bytes() == bench.from_nothing(mine)


def test_what_a_makefile_left_is_for_variants_of_its_kernel(bench: Bench) -> None:
    makefile = (bench.kernel / "Makefile").read_text()
    bench.build(bench.job({"Makefile": f"{makefile}\n# nothing\n"}))
    assert workbench_of(bench.job()).doubted.exists()
    other = bench.job(options="# CONFIG_SMP is not set\n")
    bench.build(other)
    assert _started_from(other) == workbench_of(bench.job()).folder.name
    # And what started from there is no other kernel's either.
    assert workbench_of(other).doubted.exists()
    mine = _mine(bench)
    bench.build(mine)
    assert _started_from(mine) is None


def test_a_workbench_that_was_forgotten_is_not_doubted(bench: Bench) -> None:
    bench.build(bench.job())
    place = workbench_of(bench.job())
    place.doubted.touch()
    place.forget()
    assert not place.doubted.exists()


@pytest.mark.parametrize(
    ("files", "runs"),
    [
        (["mm/gup.c", "arch/x86/entry/entry_64.S", "Documentation/mm/index.rst"], []),
        (["mm/Makefile"], ["mm/Makefile"]),
        (["Kbuild", "mm/Kconfig", "mm/gup.h"], ["Kbuild", "mm/Kconfig", "mm/gup.h"]),
        (["scripts/mod/modpost.c", "tools/objtool/check.c"], None),
        (["usr/gen_init_cpio.c", "arch/x86/lib/insn.c", "lib/gen.c", "fs/x/new.c"], None),
        (["lib/tools/build.c"], None),
    ],
)
def test_what_runs_while_a_kernel_is_built(
    tmp_path: Path, files: list[str], runs: list[str] | None
) -> None:
    for name, text in (("lib", "hostprogs\t:= gen\n"), ("fs/x", " hostprogs-y += new\n")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "Makefile").write_text(f"obj-y += a.o\n{text}")
    assert runs_while_built(files, tmp_path) == (sorted(files) if runs is None else runs)


def test_a_closed_folder_among_objects_is_seen(bench: Bench) -> None:
    bench.build(bench.job())
    (workbench_of(bench.job()).objects / "x").symlink_to("nowhere")
    assert not workbench_of(bench.job()).is_closed()
    (workbench_of(bench.job()).objects / "closed").mkdir(mode=0)
    assert workbench_of(bench.job()).is_closed()


def test_notes_of_a_workbench_that_were_damaged(bench: Bench) -> None:
    job = bench.job()
    bench.build(job)
    place = workbench_of(job)
    place.configured.write_bytes(b"\xff")
    bench.build(bench.job({"mm/gup.c": GUP}))
    assert place.configured.read_bytes().isalnum()
    place.kind.write_bytes(b"\xff")
    mine = _mine(bench, {"mm/mlock.c": MLOCK})
    bench.build(mine)
    assert _started_from(mine) is None


def _started_from(job: BuildJob) -> str | None:
    started: str | None = json.loads((job.folder / "build.json").read_text())["started_from"]
    return started


class Killed(BaseException):
    """As SIGKILL between two system calls: nothing is tidied up."""


@pytest.mark.parametrize("step", ["place_all", "_rename_in", "write_rows"])
def test_killed_while_copying(bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    bench.build(bench.job())
    mine = _mine(bench, {"mm/gup.c": GUP})

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(nearest, step, kill)
        with pytest.raises(Killed):
            bench.build(mine)
    built = bench.build(mine)
    assert bench.compiled == ["mm/gup.o"]
    assert built.image.read_bytes() == bench.from_nothing(mine)


def test_what_was_torn_by_a_kill_is_not_taken(bench: Bench) -> None:
    bench.build(bench.job())
    bench.hold.touch()
    with elsewhere(bench.job({"mm/gup.c": GUP})) as lab:
        until(bench.reached.exists)
        lab.kill()
        lab.join()
    until(lambda: not bench.processes())
    bench.hold.unlink()
    mine = _mine(bench, {"mm/gup.c": GUP})
    built = bench.build(mine)
    assert _started_from(mine) is not None
    assert built.image.read_bytes() == bench.from_nothing(mine)


def test_a_clock_set_back_is_no_excuse(bench: Bench) -> None:
    bench.build(bench.job())
    old = workbench_of(bench.job()).folder
    for path in (*old.rglob("*"), old):
        moment = path.lstat().st_mtime + 3600
        os.utime(path, (moment, moment), follow_symlinks=False)
    mine = _mine(bench, {"mm/gup.c": GUP})
    assert bench.build(mine).image.read_bytes() == bench.from_nothing(mine)


def test_files_that_nobody_knows_after_a_kill_are_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.build(bench.job())
    old = workbench_of(bench.job())
    rows = read_rows(old.manifest)
    write_rows(old.manifest, {**rows, "mm/gup.c": UNKNOWN, "mm/gone.c": UNKNOWN})
    (old.source / "mm/gup.c").write_text("half of")
    mine = _mine(bench)
    mine = replace(mine, tree=replace(mine.tree, identity="dir:mine", immutable=False))
    monkeypatch.setattr(nearest, "_MOST_DIFFERING", 1)
    built = bench.build(mine)
    assert _started_from(mine) == old.folder.name
    assert built.image.read_bytes() == bench.from_nothing(mine)


def test_commands_and_links_say_the_new_place(tmp_path: Path) -> None:
    old, new, objects = tmp_path / "6.1-a", tmp_path / "6.1-b", tmp_path / "6.1-b/obj"
    objects.mkdir(parents=True)
    (objects / ".gup.o.cmd").write_text(f"cc {old}/src/gup.c {old}.2/src/gup.c")
    (objects / "gup.o").write_bytes(b"\0" + bytes(old / "src"))
    (objects / "source").symlink_to(old / "src")
    os.utime(objects / ".gup.o.cmd", ns=(1, 12_345_678_901))
    nearest._rename_in(objects, old, new)
    assert (objects / ".gup.o.cmd").read_text() == f"cc {new}/src/gup.c {old}.2/src/gup.c"
    assert (objects / ".gup.o.cmd").stat().st_mtime_ns == 12_345_678_901
    assert (objects / "gup.o").read_bytes() == b"\0" + bytes(old / "src")
    assert (objects / "source").readlink() == new / "src"
