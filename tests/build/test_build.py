# SPDX-License-Identifier: GPL-2.0-only
"""Builds: what is compiled again, what is found, what is refused."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import BuildJob, build, find_build
from lab.build.build import workbench_of
from lab.errors import InfrastructureError, Location, UserError
from lab.kconfig import Gone
from lab.kconfig.check import NEWEST_SEEN
from lab.model.version import KernelVersion
from tests.build.conftest import Bench, immutable

ALL = ["fs/dax.o", "mm/gup.o", "mm/mlock.o"]
GUP = "int gup(void)\n{\n\treturn 1;\n}\n"
MLOCK = "int mlock(void)\n{\n\treturn 1;\n}\n"


def test_first_build_is_made_and_the_second_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.job()
    assert find_build(job) is None
    first = bench.build(job)
    assert bench.compiled == ALL
    assert (first.cached, first.release) == (False, "6.1.7")
    assert first.folder == job.folder == bench.cache / "builds" / job.key
    assert "CONFIG_SMP=y" in (first.folder / "config").read_text()
    assert "CC      mm/gup.o" in (first.folder / "build.log").read_text()
    record = json.loads((first.folder / "build.json").read_text())
    assert (record["key"], record["tree"], record["release"]) == (
        job.key,
        job.tree.identity,
        "6.1.7",
    )
    assert bench.left_in_builds() == [job.key]
    monkeypatch.setenv("PATH", str(bench.top))
    second = bench.build(job)
    assert (second.cached, second.folder, bench.steps) == (True, first.folder, [])


def test_without_make_it_is_the_machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.top / "bin").mkdir()
    (bench.top / "bin/cp").symlink_to("/bin/cp")
    monkeypatch.setenv("PATH", str(bench.top / "bin"))
    monkeypatch.setattr("lab.host.machine._SBIN", ())
    with pytest.raises(InfrastructureError, match="make is not installed"):
        bench.build(bench.job())


def test_a_job_crosses_to_another_process(bench: Bench) -> None:
    job = bench.job({"mm/gup.c": GUP})
    assert pickle.loads(pickle.dumps(job)).key == job.key


@pytest.mark.parametrize("linked", [False, True])
def test_variants_compile_what_differs(bench: Bench, linked: bool) -> None:
    tree = immutable(bench.kernel, bench.top / "tree") if linked else bench.tree()
    base = bench.job(tree=tree)
    bench.build(base)
    patched = bench.job({"mm/gup.c": GUP}, tree=tree)
    assert not bench.build(patched).cached
    assert bench.compiled == ["mm/gup.o"]
    assert bench.build(base).cached
    third = bench.job({"mm/mlock.c": MLOCK}, tree=tree)
    built = bench.build(third)
    # gup.c is the base's again: an older content, which make must not miss.
    assert bench.compiled == ["mm/gup.o", "mm/mlock.o"]
    assert built.image.read_bytes() == bench.from_nothing(third)
    assert "return 0" in (bench.kernel / "mm/gup.c").read_text()


def test_a_file_changed_in_a_folder_compiles_one_object(bench: Bench) -> None:
    bench.build(bench.job())
    (bench.kernel / "mm/gup.c").write_text(GUP)
    job = bench.job()
    built = bench.build(job)
    assert (built.cached, bench.compiled) == (False, ["mm/gup.o"])
    assert built.image.read_bytes() == bench.from_nothing(job)


def test_a_clock_set_back_is_no_excuse(bench: Bench) -> None:
    bench.build(bench.job())
    for path in (*bench.place.rglob("*"), bench.place):
        _postpone(path)
    job = bench.job({"mm/gup.c": GUP})
    assert bench.build(job).image.read_bytes() == bench.from_nothing(job)


def _postpone(path: Path) -> None:
    moment = path.lstat().st_mtime + 3600
    os.utime(path, (moment, moment), follow_symlinks=False)


def test_the_key_changes_with_all_that_goes_in(bench: Bench) -> None:
    base = bench.job()
    toolchain = base.toolchain
    jobs = [
        base,
        bench.job({"mm/gup.c": GUP}),
        bench.job({"mm/gup.c": None}),
        bench.job(options="# CONFIG_SMP is not set\n"),
        bench.job(compiler="gcc 13"),
        replace(base, toolchain=replace(toolchain, linker="ld 2.41")),
        replace(base, tree=replace(base.tree, identity="dir:other", immutable=False)),
    ]
    (bench.kernel / "mm/gup.c").write_text(GUP)
    jobs.append(bench.job())
    assert len({job.key for job in jobs}) == len(jobs)


def test_the_key_does_not_change_with_what_makes_no_difference(bench: Bench) -> None:
    base = bench.job()
    others = [
        bench.job(deadline_s=1),
        bench.job(options="# a comment\nCONFIG_SMP=y\n"),
        bench.job(options="CONFIG_SMP=y\n\n# versions: <4.3\nCONFIG_DAX=y\n"),
        replace(base, toolchain=replace(base.toolchain, jobs=7)),
        replace(base, variant="another name"),
    ]
    assert {job.key for job in others} == {base.key}


def test_another_config_is_built_beside(bench: Bench) -> None:
    bench.build(bench.job())
    without = bench.build(bench.job(options="# CONFIG_SMP is not set\n"))
    assert "# CONFIG_SMP is not set" in (without.folder / "config").read_text()
    bench.build(bench.job({"mm/gup.c": GUP}))
    assert bench.compiled == ["mm/gup.o"]


def test_a_compile_error_is_shown_where_it_is(bench: Bench) -> None:
    bench.build(bench.job())
    bad = bench.job({"mm/gup.c": "int gup(void)\n{\n\treturn FOLL_POPULATE;\n}\n"})
    with pytest.raises(UserError) as caught:
        bench.build(bad)
    assert caught.value.where == Location(Path("mm/gup.c"), 3)
    assert "'FOLL_POPULATE' undeclared" in caught.value.what
    assert caught.value.detail is not None
    assert "return FOLL_POPULATE;" in caught.value.detail
    assert find_build(bad) is None
    assert bad.key not in bench.left_in_builds()
    good = bench.job({"mm/gup.c": GUP})
    assert bench.build(good).image.read_bytes() == bench.from_nothing(good)


def test_the_next_build_after_a_compile_error_keeps_what_is_good(bench: Bench) -> None:
    bench.build(bench.job())
    with pytest.raises(UserError):
        bench.build(bench.job({"mm/gup.c": "int gup(void) { return nothing; }\n"}))
    bench.build(bench.job({"mm/gup.c": GUP}))
    assert bench.compiled == ["mm/gup.o"]


def test_an_option_that_does_not_stick_stops_before_compiling(bench: Bench) -> None:
    job = bench.job(options="CONFIG_BASE=y\nCONFIG_DAX=y\n")
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            bench.build(job)
        assert caught.value.where == Location(bench.top / "test.config", 2)
        assert bench.steps == []
        assert bench.left_in_builds() == []


def test_a_patch_to_kconfig_is_configured_anew(bench: Bench) -> None:
    options = "CONFIG_DAX=y\n"
    without = (bench.kernel / "Kconfig").read_text().replace("\tdepends on SMP\n", "")
    built = bench.build(bench.job({"Kconfig": without}, options=options))
    assert "CONFIG_DAX=y" in (built.folder / "config").read_text()
    with pytest.raises(UserError, match="did not stick"):
        bench.build(bench.job(options=options))


def test_the_environment_does_not_reach_make(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n")
    bench.build(bench.job())
    assert bench.compiled == ALL


@pytest.mark.parametrize("taken", list(" :%'\";$#`&*\n"))
def test_a_cache_where_kbuild_refuses_to_build(bench: Bench, taken: str) -> None:
    bench.cache = bench.top / f"with{taken}it"
    with pytest.raises(UserError, match="kbuild cannot build below") as caught:
        bench.build(bench.job())
    assert caught.value.hint is not None
    assert "paths.cache" in caught.value.hint
    assert not bench.cache.exists()


def test_a_relative_cache_behind_a_symlink(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.top / "real").mkdir()
    (bench.top / "link").symlink_to("real")
    monkeypatch.chdir(bench.top)
    bench.cache = Path("link/cache")
    built = bench.build(bench.job())
    assert (bench.top / "real/cache/builds" / built.key / "bzImage").is_file()
    assert not (bench.kernel / "link").exists()
    with pytest.raises(UserError) as caught:
        bench.build(bench.job({"mm/gup.c": "int gup(void) { return nothing; }\n"}))
    assert caught.value.where == Location(Path("mm/gup.c"), 1)


def test_a_record_emptied_by_a_power_cut_is_no_build(bench: Bench) -> None:
    job = bench.job()
    folder = bench.build(job).folder
    (folder / "build.json").write_text("")
    assert find_build(job) is None
    assert not bench.build(job).cached
    assert find_build(job) is not None


def test_an_option_that_is_gone_is_recorded_and_found_again(bench: Bench) -> None:
    def newer(options: str, changes: dict[str, str | None] | None = None) -> BuildJob:
        job = bench.job(changes, options=options)
        version = KernelVersion(NEWEST_SEEN.version + 1, 0)
        return replace(job, tree=replace(job.tree, version=version))

    options = "CONFIG_SMP=y\n# shown by: /proc/sys/kernel\nCONFIG_NONSENSE=y\n"
    gone = (Gone("NONSENSE", "/proc/sys/kernel"),)
    job = newer(options)
    built = bench.build(job)
    assert built.gone == gone
    record = json.loads((built.folder / "build.json").read_text())
    assert record["gone"] == [{"option": "NONSENSE", "shown_by": "/proc/sys/kernel"}]
    found = find_build(job)
    assert found is not None
    assert found.gone == gone
    # In a workbench that is configured already.
    assert bench.build(newer(options, {"mm/gup.c": GUP})).gone == gone
    with pytest.raises(UserError, match="did not stick"):
        bench.build(newer("CONFIG_NONSENSE=y\n"))


def test_the_log_that_is_told_is_that_of_the_workbench_that_was_taken(bench: Bench) -> None:
    told: list[Path] = []
    job = replace(bench.job(), benches=(2,))
    build(job, on_log=told.append)
    assert told == [workbench_of(job, 2).log]
    build(job, on_log=told.append)
    assert len(told) == 1
