# SPDX-License-Identifier: GPL-2.0-only
"""Variants of a kernel, built side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from lab.build import Build, BuildJob, build
from lab.build.build import workbench_of
from lab.builder.parallel_builds import Building
from lab.errors import InfrastructureError
from tests.build.conftest import Bench, elsewhere, until

GUP = "int gup(void)\n{\n\treturn 1;\n}\n"
DAX = "int dax(void)\n{\n\treturn 1;\n}\n"
MLOCK = "int mlock(void)\n{\n\treturn 1;\n}\n"


def test_a_second_workbench_where_the_first_is_in_use(bench: Bench) -> None:
    bench.build(bench.job())
    first, second = bench.job({"mm/gup.c": GUP}), bench.job({"mm/mlock.c": MLOCK})
    with workbench_of(first).building():
        steps: list[str] = []

        def made() -> Build:
            return build(second, at_once=2, on_step=lambda step: steps.append(step.target))

        # Its copy waits for the first, which is free in a moment.
        worker = _Worker(made)
        until(lambda: (workbench_of(second, 2).folder / "lock").exists())
    built = worker.result()
    assert steps == ["mm/mlock.o", "vmlinux"]
    assert built.image.read_bytes() == bench.from_nothing(second)
    # And without waiting the next time.
    with workbench_of(first).building():
        third = bench.job({"mm/mlock.c": MLOCK, "mm/gup.c": GUP})
        assert build(third, at_once=2).image.read_bytes() == bench.from_nothing(third)


def test_the_nearest_of_some_workbenches(bench: Bench) -> None:
    far = "".join(f"// {number}\n" for number in range(3))
    bench.build(replace(bench.job(), benches=(1, 2)))
    assert not workbench_of(bench.job(), 2).folder.exists()
    ahead = bench.job({"mm/gup.c": far + GUP, "mm/mlock.c": far + MLOCK})
    bench.build(replace(ahead, benches=(2,)))
    steps: list[str] = []
    near = bench.job({"mm/gup.c": far + GUP})
    built = build(replace(near, benches=(1, 2)), on_step=lambda step: steps.append(step.target))
    # As near to the one as to the other: the first.
    assert steps == ["mm/gup.o", "vmlinux"]
    assert built.image.read_bytes() == bench.from_nothing(near)
    steps.clear()
    third = bench.job({"mm/gup.c": far + GUP, "mm/mlock.c": far + MLOCK, "fs/dax.c": DAX})
    built = build(replace(third, benches=(1, 2)), on_step=lambda step: steps.append(step.target))
    assert steps == ["fs/dax.o", "vmlinux"]
    assert built.image.read_bytes() == bench.from_nothing(third)


def test_the_first_build_of_a_kernel_is_waited_for(bench: Bench) -> None:
    # Of a tree of six files, two that differ would be too many for a workbench to be near.
    for number in range(10):
        (bench.kernel / f"fs/{number}.txt").write_text("none is compiled\n")
    jobs = [bench.job({"mm/gup.c": GUP}), bench.job({"mm/mlock.c": MLOCK}), bench.job()]
    with _building(jobs, 3) as builds:
        for number, job in enumerate(jobs):
            assert builds[number].image.read_bytes() == bench.from_nothing(job)
    compiled = [
        line.split()[-1]
        for job in jobs
        for line in (job.folder / "build.log").read_text().splitlines()
        if line.startswith("  CC ")
    ]
    # Everything once, and then what differs.
    assert compiled.count("fs/dax.o") == 1


def _building(jobs: Sequence[BuildJob], width: int) -> Building[int, Build]:
    def make(number: int, stopped: Callable[[], bool]) -> Build:
        return build(jobs[number], at_once=width, stopped=stopped)

    return Building(range(len(jobs)), make, width)


class _Worker:
    def __init__(self, work: object) -> None:
        self._made: list[Build] = []
        self._thread = threading.Thread(target=lambda: self._made.append(work()))  # type: ignore[operator]
        self._thread.start()

    def result(self) -> Build:
        self._thread.join(20)
        return self._made[0]


def test_who_leaves_stops_what_is_under_way(bench: Bench) -> None:
    bench.hold.touch()
    jobs = [bench.job(), bench.job({"mm/gup.c": GUP})]
    with _building(jobs, 1) as asked:
        until(bench.reached.exists)
    until(lambda: not bench.processes())
    with pytest.raises(InfrastructureError, match="was stopped"):
        asked[0]
    assert not jobs[0].folder.exists()
    bench.hold.unlink()
    assert build(jobs[0]).image.read_bytes() == bench.from_nothing(jobs[0])


def test_kill_9_of_a_lab_that_builds_side_by_side(bench: Bench) -> None:
    build(bench.job())
    bench.hold.touch()
    jobs = [bench.job({"mm/gup.c": GUP}), bench.job({"mm/mlock.c": MLOCK})]

    def both(_: Build) -> None:
        with _building(jobs, 2) as builds:
            list(builds.values())

    with elsewhere(bench.job(), both) as lab:
        until(bench.reached.exists)
        lab.kill()
        lab.join()
    until(lambda: not bench.processes())
    bench.hold.unlink()
    for job in jobs:
        assert build(job).image.read_bytes() == bench.from_nothing(job)


def test_what_making_one_raises_comes_to_who_asks() -> None:
    def make(number: int, stop: object) -> int:
        if number == 1:
            raise ValueError(number)
        return number

    with Building([0, 1, 2], make, 2) as made:
        assert (made[0], made[2], list(made), len(made)) == (0, 2, [0, 1, 2], 3)
        with pytest.raises(ValueError, match="1"):
            made[1]
