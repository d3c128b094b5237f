# SPDX-License-Identifier: GPL-2.0-only
"""Builds that are killed, run out of time or disk, or meet each other."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import Build, find_build
from lab.build.workbench import Workbench
from lab.errors import InfrastructureError
from lab.process import ProcessTimeout, run
from tests.build.conftest import Bench, elsewhere, until

GUP = "int gup(void)\n{\n\treturn 1;\n}\n"


def test_kill_9_while_compiling(bench: Bench) -> None:
    job = bench.job()
    bench.hold.touch()
    with elsewhere(job) as lab:
        until(bench.reached.exists)
        lab.kill()
        lab.join()
    until(lambda: not bench.processes())
    bench.hold.unlink()
    assert "  CC  " in (bench.place / "build.log").read_text()
    assert "torn\n" in [path.read_text() for path in bench.place.glob("obj/*/*.o")]
    assert find_build(job) is None
    assert bench.build(job).image.read_bytes() == bench.from_nothing(job)
    # Nor is the half-made build of the killed lab left.
    assert bench.left_in_builds() == [job.key]


def test_the_workbench_is_held_until_the_compilers_of_a_killed_lab_are_gone(
    bench: Bench,
) -> None:
    bench.hold.touch()
    with elsewhere(bench.job()) as lab:
        until(bench.reached.exists)
        keeper = _only_child(_only_child(lab.pid))
        os.kill(keeper, signal.SIGSTOP)
        try:
            lab.kill()
            lab.join()
            with (bench.place / "lock").open("a") as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.kill(keeper, signal.SIGCONT)
    with Workbench(bench.place).building():
        assert [c for c in bench.processes() if str(bench.top / "cc") in c] == []


def _only_child(pid: int | None) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def test_a_deadline_passes_in_silence(bench: Bench) -> None:
    bench.hold.touch()
    # A busy host may not come as far as the compiler in the first.
    for deadline in (0.5, 4.0, 32.0):
        job = bench.job(deadline_s=deadline)
        with pytest.raises(ProcessTimeout, match=rf"build deadline of {deadline:g} s"):
            bench.build(job)
        if bench.reached.exists():
            break
    assert bench.reached.exists()
    assert bench.processes() == []
    bench.hold.unlink()
    job = replace(job, deadline_s=30)
    assert bench.build(job).image.read_bytes() == bench.from_nothing(job)


def test_a_deadline_passes_in_the_midst_of_talk(bench: Bench) -> None:
    makefile = bench.kernel / "Makefile"
    makefile.write_text(makefile.read_text() + "\ntinyconfig: talk\ntalk:\n\t@yes\n")
    with pytest.raises(ProcessTimeout):
        bench.build(bench.job(deadline_s=0.2))
    assert bench.processes() == []


def test_two_labs_build_the_same_once(bench: Bench) -> None:
    _build_twice_at_once(bench, "6.1")


def test_two_kernels_of_one_identity_are_built_once(bench: Bench) -> None:
    _build_twice_at_once(bench, "the-same")


def _build_twice_at_once(bench: Bench, second_kernel: str) -> None:
    first = bench.job()
    second = replace(first, tree=replace(first.tree, kernel=second_kernel))
    assert first.key == second.key
    said = bench.top / "said"

    def say(built: Build) -> None:
        with said.open("a") as stream:
            stream.write(f"{'found' if built.cached else 'built'}\n")

    bench.hold.touch()
    with ExitStack() as stack:
        labs = [stack.enter_context(elsewhere(first, say))]
        until(bench.reached.exists)
        labs.append(stack.enter_context(elsewhere(second, say)))
        until(lambda: _waits_for_a_lock(labs[1].pid))
        bench.hold.unlink()
        for lab in labs:
            lab.join(10)
    assert sorted(said.read_text().split()) == ["built", "found"]
    assert bench.left_in_builds() == [first.key]


def _waits_for_a_lock(pid: int | None) -> bool:
    waiting = (line for line in Path("/proc/locks").read_text().splitlines() if "-> " in line)
    return any(f" {pid} " in line for line in waiting)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of half a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=512k", "lab-test", str(folder)]
    if os.geteuid() != 0 or run(mounting, check=False).status != 0:
        pytest.skip("mounting needs root")
    yield folder
    run(["umount", "-l", folder])


def test_a_full_disk(bench: Bench, small_disk: Path) -> None:
    bench.cache = small_disk / "cache"
    job = bench.job({"mm/gup.c": GUP})
    failed = 0
    for pages in range(0, 60, 3):
        with small_disk.joinpath("filler").open("wb") as filler:
            free = os.statvfs(small_disk).f_bavail
            filler.write(bytes(4096 * max(0, free - pages)))
        try:
            bench.build(job)
        except InfrastructureError as error:
            failed += 1
            assert "No space left" in error.what  # noqa: PT017
            assert bench.left_in_builds() == []
            assert bench.processes() == []
        small_disk.joinpath("filler").unlink()
    assert 3 < failed < 20
    assert bench.build(job).image.read_bytes() == bench.from_nothing(job)
