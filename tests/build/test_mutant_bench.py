# SPDX-License-Identifier: GPL-2.0-only
"""Many kernels that differ in one file each, made on one workbench."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.build import build
from lab.build.mutant_bench import MutantBench, mutant_bench
from lab.build.workbench import UNKNOWN
from lab.errors import UserError
from lab.trees import read_rows
from tests.build.conftest import Bench

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
