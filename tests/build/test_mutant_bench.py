# SPDX-License-Identifier: GPL-2.0-only
"""Many kernels that differ in one file each, made on one workbench."""

from __future__ import annotations

import fcntl
import multiprocessing
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from lab.build import BuildJob, build
from lab.build.build import ready_workbench, workbench_of
from lab.build.mutant_bench import MutantBench, mutant_bench
from lab.build.workbench import UNKNOWN
from lab.errors import UserError
from lab.trees import read_rows
from tests.build.conftest import Bench, until

pytestmark = pytest.mark.slow

GUP = "int gup(void)\n{\n\treturn %s;\n}\n"
DAX = "int dax(void)\n{\n\treturn %s;\n}\n"
#: As kbuild's if_changed: a recipe is one command that says first what it does.
_RECIPES = {
    '@mkdir -p $(dir $@)\n@echo "  CC      $*.o"\n@$(command)\n@echo': (
        "@set -e; mkdir -p $(dir $@); echo '  CC      $*.o'; $(command); echo"
    ),
    '\t@echo "  LD      vmlinux"\n\t@ld -r': "\t@set -e; echo '  LD      vmlinux'; ld -r",
    "\t@cp $(objtree)/vmlinux $@": "\t@set -e; echo '  BUILD   $@'; cp $(objtree)/vmlinux $@",
}


@pytest.fixture(autouse=True)
def single_objects(bench: Bench) -> None:
    """Have make take the name of an object, as kbuild does."""
    with (bench.kernel / "Makefile").open("a") as file:
        for folder in ("mm", "fs"):
            file.write(f"{folder}/%.o: $(objtree)/{folder}/%.o\n\t@:\n")


def like_kbuild(kernel: Path) -> None:
    makefile = kernel / "Makefile"
    text = makefile.read_text()
    for before, after in _RECIPES.items():
        assert before in text
        text = text.replace(before, after)
    makefile.write_text(text.replace("set -e; mkdir -p $(dir $@); echo", "set -e; echo"))
    for folder in ("mm", "fs"):
        with makefile.open("a") as file:
            file.write(f"$(shell mkdir -p $(objtree)/{folder})\n")


def made(bench: MutantBench, folder: Path, file: str, content: str) -> bytes:
    bench.compile(file, content.encode())
    return bench.link(folder).image.read_bytes()


@pytest.mark.parametrize("quick", [True, False])
def test_each_kernel_is_what_a_build_of_it_alone_makes(
    bench: Bench, tmp_path: Path, quick: bool
) -> None:
    if quick:
        like_kbuild(bench.kernel)
    job = bench.job({"mm/gup.c": GUP % 1, "fs/dax.c": DAX % 1})
    own = build(job).image.read_bytes()
    wanted = [("mm/gup.c", GUP % n) for n in (2, 3, 4)] + [("fs/dax.c", DAX % n) for n in (5, 6)]
    said: list[str] = []
    with mutant_bench(job, 1, tmp_path, tell=said.append) as mutants:
        mutants.begin()
        images = [
            made(mutants, tmp_path / str(number), *each) for number, each in enumerate(wanted)
        ]
        assert not mutants.is_own()
        trusted = dict(mutants.trusted)
    for (file, content), image in zip(wanted, images, strict=True):
        files = {"mm/gup.c": GUP % 1, "fs/dax.c": DAX % 1, file: content}
        assert image == bench.from_nothing(bench.job(files)), (file, content)
    assert trusted == {"mm/gup.c": quick, "fs/dax.c": quick}
    assert len(said) == (0 if quick else 2)
    # And nothing of it is left in the builds that come.
    with mutant_bench(job, 1, tmp_path) as mutants:
        mutants.begin()
        assert (mutants.bench.objects / "vmlinux").read_bytes() == own


def test_what_does_not_compile_is_an_error_and_the_next_one_is_made(
    bench: Bench, tmp_path: Path
) -> None:
    job = bench.job({"mm/gup.c": GUP % 1})
    with mutant_bench(job, 1, tmp_path) as mutants:
        mutants.begin()
        first = mutants.compile("mm/gup.c", (GUP % 1).encode())
        with pytest.raises(UserError, match="nobody"):
            mutants.compile("mm/gup.c", (GUP % "nobody").encode())
        assert mutants.compile("mm/gup.c", (GUP % 2).encode()) != first
        # A comment makes no other object.
        assert mutants.compile("mm/gup.c", (GUP % "1 /* one */").encode()) == first


def test_a_file_that_is_in_no_kernel_is_known(bench: Bench, tmp_path: Path) -> None:
    with mutant_bench(bench.job({"mm/gup.c": GUP % 1}), 1, tmp_path) as mutants:
        mutants.begin()
        assert mutants.compiles("mm/gup.c")
        assert not mutants.compiles("mm/none.c")


def test_after_a_kill_a_build_finds_no_mutant(bench: Bench, tmp_path: Path) -> None:
    job = bench.job({"mm/gup.c": GUP % 1})
    with mutant_bench(job, 1, tmp_path) as mutants:
        mutants.begin()
        mutants.compile("mm/gup.c", (GUP % 2).encode())
        # Nobody vouches for it: what comes next writes it anew.
        assert read_rows(mutants.bench.manifest)["mm/gup.c"] == UNKNOWN
    with mutant_bench(job, 1, tmp_path) as mutants:
        assert (mutants.bench.source / "mm/gup.c").read_text() == GUP % 1


INCLUDES = '#include "part.c"\n'


def test_what_others_include_is_compiled_with_them(bench: Bench, tmp_path: Path) -> None:
    with (bench.kernel / "Makefile").open("a") as file:
        file.write("$(objtree)/mm/gup.o: $(srctree)/mm/part.c\n")
    job = bench.job({"mm/gup.c": INCLUDES, "mm/part.c": GUP % 1})
    with mutant_bench(job, 1, tmp_path) as mutants:
        mutants.begin()
        assert not mutants.compiles("mm/part.c")
        mutants.parts.clear()
        # As kbuild notes what an object depends on (scripts/basic/fixdep.c).
        with (mutants.bench.objects / "mm" / ".mlock.o.cmd").open("a") as note:
            note.write(f"deps_mm/gup.o := {mutants.bench.source}/mm/part.c \\\n")
        assert mutants.compiles("mm/part.c")
        assert mutants.compile("mm/part.c", (GUP % "nobody").encode()) == ""
        with pytest.raises(UserError, match="nobody"):
            mutants.link(tmp_path / "1")
        second = made(mutants, tmp_path / "2", "mm/part.c", GUP % 2)
        assert not mutants.is_own()
        # Not what an object of its own would have been, had one been there.
        assert not (mutants.bench.objects / "mm" / "part.o").exists()
    assert second == bench.from_nothing(bench.job({"mm/gup.c": INCLUDES, "mm/part.c": GUP % 2}))


def mutating(job: BuildJob, folder: Path, ready: Path, last: str) -> BaseProcess:
    """Another lab that makes a mutant, and does not come to its end."""

    def run() -> None:
        with mutant_bench(job, 1, folder) as mutants:
            mutants.begin()
            made(mutants, folder / "first", "mm/gup.c", GUP % 2)
            mutants.compile("mm/gup.c", (GUP % 3).encode())
            if last == "image":
                mutants.link(folder / "second")
            ready.touch()
            threading.Event().wait()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    until(ready.exists)
    return process


def test_two_labs_take_turns_at_a_bench(bench: Bench, tmp_path: Path) -> None:
    like_kbuild(bench.kernel)
    job = bench.job({"mm/gup.c": GUP % 1})
    build(job)
    process = mutating(job, tmp_path, tmp_path / "ready", "object")
    said: list[str] = []
    images: list[bytes] = []

    def mutate() -> None:
        with mutant_bench(job, 1, tmp_path, tell=said.append) as mutants:
            mutants.begin()
            images.append(made(mutants, tmp_path / "other", "mm/gup.c", GUP % 5))

    other = threading.Thread(target=mutate, daemon=True)
    other.start()
    until(lambda: said)
    assert "another lab builds there" in said[0]
    assert not images
    process.kill()
    process.join()
    other.join()
    assert images == [bench.from_nothing(bench.job({"mm/gup.c": GUP % 5}))]


@pytest.mark.parametrize("last", ["object", "image"])
def test_a_lab_that_is_killed_leaves_no_mutant_to_any_build(
    bench: Bench, tmp_path: Path, last: str
) -> None:
    like_kbuild(bench.kernel)
    files = {"mm/gup.c": GUP % 1}
    job = bench.job(files)
    (tmp_path / "log").touch()
    own = build(job).image.read_bytes()
    process = mutating(job, tmp_path, tmp_path / "ready", last)
    try:
        mutated = workbench_of(job, 2)
        # Whoever else wants that bench waits, a second lab with mutants of its own, too.
        with pytest.raises(BlockingIOError), mutated.building(wait=False):
            pass
        # The kernel's own bench is free meanwhile, and knows of none of it.
        beside = bench.job({**files, "fs/dax.c": DAX % 7})
        assert build(beside, at_once=2).image.read_bytes() == bench.from_nothing(beside)
    finally:
        process.kill()
        process.join()
    with (mutated.folder / "lock").open("a") as lock:
        # Until the last of what it had started is gone.
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert (mutated.source / "mm" / "gup.c").read_text() == GUP % 3
    # As where builds are in a sandbox: nobody looks then at what was written there.
    mutated.own.unlink()
    # Another build on that bench, as there are of several at once.
    after = bench.job({**files, "fs/dax.c": DAX % 8})
    with ready_workbench(after, tmp_path / "log", 2) as (_, make):
        assert (mutated.source / "mm" / "gup.c").read_text() == GUP % 1
        make("bzImage")
        image = (mutated.objects / "vmlinux").read_bytes()
    assert image == bench.from_nothing(after)
    with mutant_bench(job, 1, tmp_path) as mutants:
        mutants.begin()
        assert (mutants.bench.objects / "vmlinux").read_bytes() == own
        again = made(mutants, tmp_path / "again", "mm/gup.c", GUP % 4)
    assert again == bench.from_nothing(bench.job({"mm/gup.c": GUP % 4}))
