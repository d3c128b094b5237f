# SPDX-License-Identifier: GPL-2.0-only
"""The selftests of the tree under test: which part of it counts, and what is made of that."""

from __future__ import annotations

import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import Build, BuildJob
from lab.config.model import Suite
from lab.model.status import Status
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.process.shelf import PROGRAMS
from lab.suites import made, suite_for
from lab.suites.judge import Ended
from lab.suites.kselftest import Kselftest
from lab.suites.suite import OfTree, bound
from lab.suites.tree_part import TreePart
from tests.build.conftest import Bench

SELFTESTS = "tools/testing/selftests"
TARGET = """\
CFLAGS = $(KHDR_INCLUDES) $(EXTRA_CFLAGS)
all: $(OUTPUT)/map_populate $(OUTPUT)/needs_numa
$(OUTPUT)/%: %.c
\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<
"""
PROGRAM = "#include <linux/own.h>\nint main(void) { return OWN; }\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    kernel = tmp_path / "linux"
    files = {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\nEXTRAVERSION =\n"
        "headers:\n\tmkdir -p usr/include/linux\n\tcp include/uapi/own.h usr/include/linux/\n",
        "include/uapi/own.h": "#define OWN 0\n",
        f"{SELFTESTS}/vm/Makefile": TARGET,
        f"{SELFTESTS}/vm/map_populate.c": PROGRAM,
        f"{SELFTESTS}/vm/needs_numa.c": "#include <no-such-numa.h>\n",
        "mm/gup.c": "\n",
    }
    for name, text in files.items():
        path = kernel / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Bench(tmp_path, kernel, tmp_path / "cache")


def laid(job: BuildJob, path: str, text: str) -> BuildJob:
    """The job with a series that brings a file."""
    return replace(job, overlay=Overlay({path: Replacement(0o100644, text.encode())}))


def suite(root: Path, **keys: object) -> Kselftest:
    table = {"kind": "kselftest", "programs": ["map_populate"], "timeout": 5.0, **keys}
    theirs = suite_for(Suite.model_validate(table), root)
    assert isinstance(theirs, Kselftest)
    return theirs


def of(job: BuildJob) -> Build:
    return Build(job, "6.1.0", cached=True, duration_s=0.0)


def test_only_a_part_of_the_tree_counts(bench: Bench) -> None:
    job = bench.job()
    part = TreePart(job, ("Makefile", f"{SELFTESTS}/"))
    other = TreePart(laid(job, "mm/gup.c", "int x;\n"), part.paths)
    assert other.identity == part.identity
    for path in ("Makefile", f"{SELFTESTS}/vm/new.c"):
        assert TreePart(laid(job, path, "x\n"), part.paths).identity != part.identity
    folder = bench.top / "filled"
    TreePart(laid(job, f"{SELFTESTS}/vm/new.c", "new\n"), part.paths).fill(folder)
    assert (folder / f"{SELFTESTS}/vm/new.c").read_text() == "new\n"
    assert (folder / f"{SELFTESTS}/vm/map_populate.c").read_text() == PROGRAM
    assert not (folder / "mm").exists()


@pytest.mark.slow
def test_they_are_built_once_for_the_part_that_they_are_made_from(bench: Bench) -> None:
    theirs = suite(bench.top)
    assert isinstance(theirs, OfTree)
    assert pickle.loads(pickle.dumps(theirs)) == theirs
    # Whose tree it is has to be said first.
    assert theirs.build(["map_populate"], bench.cache).files == {}
    programs = ["map_populate", "needs_numa"]
    built = bound(theirs, of(bench.job())).build(programs, bench.cache)
    assert set(built.files) == {"map_populate"}
    assert "no-such-numa.h" in str(built.failed["needs_numa"])
    elsewhere = laid(bench.job(), "mm/gup.c", "int x;\n")
    again = bound(theirs, of(elsewhere)).build(programs, bench.cache)
    assert again.files == built.files
    header = laid(bench.job(), "include/uapi/own.h", "#define OWN 1\n")
    other = bound(theirs, of(header)).build(programs, bench.cache)
    assert other.files["map_populate"].read_bytes() != built.files["map_populate"].read_bytes()
    assert len(list(PROGRAMS.place(bench.cache).glob("made-*"))) == 2


@pytest.mark.slow
def test_a_program_that_a_tree_has_not_is_skipped_and_one_that_fails_to_build_is_not(
    bench: Bench,
) -> None:
    theirs = bound(suite(bench.top), of(bench.job()))
    built = theirs.build(["cow", "needs_numa", "needs_numa_64"], bench.cache)
    assert set(built.failed) == {"needs_numa", "needs_numa_64"}
    done = subprocess.run(["/bin/sh", built.files["cow"]], capture_output=True, check=False)
    judged = theirs.judge(
        "cow", done.stdout, done.returncode, ended=Ended.EXITED, detail="", selected=False
    ).judged
    assert [(one.test, one.status) for one in judged] == [("cow", Status.SKIP)]
    assert "this tree has no cow" in judged[0].message


@pytest.mark.slow
def test_what_wants_a_header_is_built_when_that_is_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bench.top / "headers"
    headers.mkdir()
    monkeypatch.setattr(made, "_HEADERS", (headers,))
    theirs = bound(suite(bench.top), of(bench.job()))
    assert set(theirs.build(["needs_numa"], bench.cache).failed) == {"needs_numa"}
    log = next(PROGRAMS.place(bench.cache).glob("made-*/make.log"))
    before = log.stat().st_ino
    theirs.build(["needs_numa"], bench.cache)
    assert log.stat().st_ino == before
    (headers / "no-such-numa.h").touch()
    theirs.build(["needs_numa"], bench.cache)
    assert log.stat().st_ino != before


def test_a_tree_without_such_a_target(bench: Bench) -> None:
    built = bound(suite(bench.top, target="damon"), of(bench.job())).build(["a"], bench.cache)
    assert "has no selftests 'damon'" in str(built.failed["a"])


def test_tmp_is_the_filesystem_under_test(tmp_path: Path) -> None:
    words = suite(tmp_path, tmp="mount").command("map_populate", "/mnt/x", "", "")
    assert words[:2] == ["sh", "-c"]
    assert words[3:7] == ["/mnt/x", "unshare", "-m", "sh"]
    assert words[-2:] == ["/mnt/x", "/lab/map_populate"]
    plain = suite(tmp_path).command("map_populate", "/mnt/x", "", "")
    assert "unshare" not in plain
