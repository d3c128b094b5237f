# SPDX-License-Identifier: GPL-2.0-only
"""Suites that are built from somebody's source: once, in a copy, and only what is taken."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.config.model import Suite
from lab.errors import InfrastructureError, LabError
from lab.process.shelf import PROGRAMS, TREES
from lab.suites import suite_for
from lab.suites.built import Built
from lab.suites.suite_source import source_name, sources_of_suites

MAKEFILE = """\
all: good bad
good: good.c
\t$(CC) -static -o $@ good.c
\t@echo made >>$(COUNT)
bad: bad.c
\t$(CC) -static -o $@ bad.c
"""
GOOD = '#include <stdio.h>\nint main(void) { puts("fine"); return 0; }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "their-tests"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "good.c").write_text(GOOD)
    (folder / "bad.c").write_text("int main(void) { return x; }\n")
    script = folder / "check.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return folder


def suite(root: Path, source: Mapping[str, object], build: str, **keys: object) -> Built:
    table = {"kind": "built", "programs": ["good"], "source": source, "build": [build], **keys}
    made = suite_for(Suite.model_validate({"take": ["*"], **table}), root)
    assert isinstance(made, Built)
    return made


def folders(cache: Path) -> list[str]:
    return sorted(path.name for path in PROGRAMS.place(cache).glob("made-*"))


@pytest.mark.slow
def test_it_is_built_once_and_only_anew_for_another_source(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    theirs = suite(tmp_path, {"kind": "dir", "path": str(source)}, "make -k COUNT=count || :")
    assert pickle.loads(pickle.dumps(theirs)) == theirs
    built = theirs.build(["good", "check.sh", "bad", "none"], cache)
    assert set(built.files) == {"good", "check.sh"}
    assert "'x' undeclared" in str(built.failed["bad"])
    assert "nothing made it" in str(built.failed["none"])
    # The source is as it was: what is built is a copy.
    assert sorted(path.name for path in source.iterdir()) == [
        "Makefile", "bad.c", "check.sh", "good.c",
    ]  # fmt: skip
    (first,) = folders(cache)
    stamp = built.files["good"].stat().st_mtime_ns
    assert theirs.build(["good"], cache).files["good"].stat().st_mtime_ns == stamp
    (source / "good.c").write_text(GOOD.replace("fine", "other"))
    theirs.build(["good"], cache)
    assert len(folders(cache)) == 2
    # What a bad disk did to it is made again.
    built.files["good"].write_bytes(b"damaged")
    (source / "good.c").write_text(GOOD)
    again = theirs.build(["good"], cache).files["good"]
    assert again.parent.name == first
    assert again.read_bytes().startswith(b"\x7fELF")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "take", "what"),
    [
        ("make good bad COUNT=count", "*", "'x' undeclared"),
        ("true", "*.o", "left no program that `take` names"),
        ("mkdir a b; echo 1 >a/p; echo 2 >b/p; chmod +x ?/p", "?/p", "two programs 'p': a/p, b/p"),
        ("ln -s /bin/sh good", "good", "left no program that `take` names"),
        ("exit 7", "*", "status 7"),
    ],
)
def test_what_is_not_built_is_told(
    source: Path, tmp_path: Path, build: str, take: str, what: str
) -> None:
    theirs = suite(tmp_path, {"kind": "dir", "path": str(source)}, build, take=[take])
    built = theirs.build(["good"], tmp_path / "cache")
    assert built.files == {}
    assert what in _all_of(built.failed["good"])
    assert folders(tmp_path / "cache") == []


@pytest.mark.slow
def test_a_compiler_that_was_killed_is_no_word_on_the_source(source: Path, tmp_path: Path) -> None:
    """What goes on without it ends well, and would be kept as what the source makes."""
    cache = tmp_path / "cache"
    (source / "Makefile").write_text("all: other good\nother: bad.c\n\ttouch $@\n\tchmod +x $@\n"
                                     "good: good.c\n\tkill -9 $$$$\n")  # fmt: skip
    theirs = suite(tmp_path, {"kind": "dir", "path": str(source)}, "make -k || :")
    error = theirs.build(["good"], cache).failed["good"]
    assert isinstance(error, InfrastructureError)
    assert "was not built: make: *** [Makefile:6: good] Killed" in error.what
    assert folders(cache) == []


def _all_of(error: LabError) -> str:
    return f"{error}\n{error.detail}"


@pytest.mark.slow
def test_a_tarball_is_fetched_as_a_kernels_is(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "theirs-2.1.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "theirs-2.1")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    table = {"kind": "tarball", "url": str(archive), "sha256": digest}
    theirs = suite(tmp_path, table, "make good COUNT=count")
    assert set(theirs.build(["good"], tmp_path / "cache").files) == {"good"}
    (tree,) = TREES.place(tmp_path / "cache").glob("[!.]*-source-theirs-2.1")
    assert (tree / "source" / "good.c").read_text() == GOOD
    wrong = suite(tmp_path, {**table, "sha256": "0" * 64}, "make good")
    assert "sha256" in _all_of(wrong.build(["good"], tmp_path / "other").failed["good"])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"kind": "git", "url": "https://h/x/ltp.git", "ref": "main"}, "source-ltp"),
        ({"kind": "dir", "path": "~/src/xfstests"}, "source-xfstests"),
        ({"kind": "tarball", "url": "https://h/a-1.2.tar.xz", "sha256": "0" * 64}, "source-a-1.2"),
    ],
)
def test_a_source_is_called_as_it_is(source: dict[str, object], name: str) -> None:
    table = {"kind": "built", "programs": ["a"], "take": ["*"], "source": source}
    sections = [Suite.model_validate(table)] * 2
    (one,) = sources_of_suites(sections)
    assert source_name(one) == name


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({}, "programs of kind 'built' want a source"),
        ({"source": {"kind": "dir", "path": "x"}}, "programs of kind 'built' want a take"),
        ({"source": {"kind": "apt", "package": "x"}, "take": ["*"]}, "apt"),
        ({"kind": "c", "take": ["*"]}, "programs of kind 'c' take no take"),
        ({"kind": "kselftest", "source": {"kind": "dir", "path": "x"}}, "take no source"),
    ],
)
def test_what_no_table_may_say(keys: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Suite.model_validate({"kind": "built", "programs": ["a"], **keys})
