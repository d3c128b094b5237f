# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is its base again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import Build, BuildJob
from lab.execution.same_kernel import is_same_kernel
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.process.seal import seal
from tests.binary.test_difference import BASE, OTHER, linked
from tests.build.conftest import Bench


def built(job: BuildJob, tmp_path: Path, name: str, source: str) -> Build:
    """A build whose vmlinux is of that source."""
    build = Build(job, "6.1.0", cached=True, duration_s=0.0)
    build.folder.mkdir(parents=True)
    linked(tmp_path, name, source, OTHER).rename(build.folder / "vmlinux")
    seal(build.folder, ["vmlinux"])
    return build


def laid(job: BuildJob, path: str) -> BuildJob:
    return replace(job, overlay=Overlay({path: Replacement(0o100644, b"int x;\n")}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    kernel = tmp_path / "linux"
    (kernel / "mm").mkdir(parents=True)
    (kernel / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\nEXTRAVERSION =\n")
    (kernel / "mm" / "gup.c").write_text("\n")
    return Bench(tmp_path, kernel, tmp_path / "cache")


@pytest.mark.slow
def test_a_kernel_that_is_its_base_again(bench: Bench, tmp_path: Path) -> None:
    base = built(bench.job(), tmp_path, "base", BASE)
    comment = built(laid(bench.job(), "mm/gup.c"), tmp_path, "comment", f"\n\n{BASE}")
    assert is_same_kernel(base, comment)
    boots = built(laid(bench.job(), "arch/x86/boot/main.c"), tmp_path, "boots", BASE)
    assert not is_same_kernel(base, boots), "what starts a kernel is not in its vmlinux"
    other = built(laid(bench.job(), "mm/mmap.c"), tmp_path, "other", BASE.replace("3 +", "4 +"))
    assert not is_same_kernel(base, other)
    (comment.folder / "vmlinux").write_bytes(b"cut")
    assert not is_same_kernel(base, comment)
