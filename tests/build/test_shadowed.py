# SPDX-License-Identifier: GPL-2.0-only
"""A new file that would be read in place of another: make knows nothing of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.build.shadowed import shadowed
from lab.errors import InfrastructureError
from tests.build.conftest import Bench
from tests.build.test_kept_objects import SIZE, builds, kernel, like_kbuild

__all__ = ["like_kbuild"]

_NOTE = """cmd_mm/gup.o := gcc -I{src}/include -I{src}/include/uapi -Iinclude -I ./arch/generated -c

source_mm/gup.o := {src}/mm/gup.c

deps_mm/gup.o := \\
    $(wildcard include/config/NUMA) \\
  {src}/include/uapi/linux/dax.h \\
  {src}/include/linux/mm.h \\
  {src}/mm/../fs/types.h \\
  include/generated/bounds.h \\
  arch/generated/asm/bug.h \\

mm/gup.o: $(deps_mm/gup.o)
"""


def test_a_header_in_place_of_one_that_was_read(bench: Bench) -> None:
    builds(bench, kernel(bench))
    assert builds(bench, kernel(bench, include__size_h=SIZE % 7)) == ["mm/gup.o"]
    assert builds(bench, kernel(bench, include__size_h=SIZE % 8)) == ["mm/gup.o"]
    (bench.kernel / "include/size.h").unlink()
    # Nor is what is gone one of the files that make goes by.
    (bench.kernel / "uapi/size.h").write_text(SIZE % 5)
    assert builds(bench, kernel(bench)) == ["mm/gup.o"]


def test_one_of_another_name_or_place_is_compiled_by_nobody(bench: Bench) -> None:
    builds(bench, kernel(bench))
    (bench.kernel / "net").mkdir()
    assert builds(bench, kernel(bench, include__new_h="", net__size_h=SIZE % 7)) == []


def test_a_kill_as_it_is_placed_does_not_hide_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds(bench, kernel(bench))
    job = kernel(bench, include__size_h=SIZE % 7)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lab.build.workbench._write", full)
        with pytest.raises(InfrastructureError):
            bench.build(job)
    assert builds(bench, job) == ["mm/gup.o"]


@pytest.mark.parametrize(
    ("added", "is_otherwise"),
    [
        ("include/linux/dax.h", True),
        ("mm/bounds.h", True),
        ("net/bounds.h", False),
        ("include/generated/bounds.h", True),
        ("include/asm/bug.h", True),
        ("fs/types.h", False),
        ("mm/types.h", True),
        ("net/types.h", False),
        ("include/uapi/linux/mm.h", True),
        ("drivers/linux/mm.h", False),
        ("mm/gup.c", False),
    ],
)
def test_where_a_file_is_looked_for(tmp_path: Path, added: str, is_otherwise: bool) -> None:
    source, objects = tmp_path / "src", tmp_path / "obj"
    (objects / "mm").mkdir(parents=True)
    note = objects / "mm/.gup.o.cmd"
    note.write_text(_NOTE.format(src=source))
    assert list(shadowed(objects, source, [added])) == ([note] if is_otherwise else [])


@pytest.fixture
def no_grep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither it nor find can look at anything."""
    for name in ("find", "grep"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 2\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_notes_that_nobody_may_read_are_our_trouble(tmp_path: Path, no_grep: None) -> None:
    with pytest.raises(InfrastructureError, match="cannot be looked at"):
        list(shadowed(tmp_path, tmp_path, ["mm/a.h"]))


def test_what_is_gone_is_missed(bench: Bench) -> None:
    """kbuild has .SECONDARY, with which make does not."""
    builds(bench, kernel(bench, include__size_h=SIZE % 7))
    (bench.kernel / "include/size.h").unlink()
    assert builds(bench, kernel(bench)) == ["mm/gup.o"]
