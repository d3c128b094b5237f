# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is its base again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.build import Build, BuildJob
from lab.builder import Builds
from lab.execution.job import Job
from lab.execution.same_kernel import Bases, is_same_kernel
from lab.model.records import Evidence
from lab.model.variant import Variant
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.plan import JobPlan, Plan
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
    for at, path in enumerate(("arch/x86/boot/main.c", "lib/decompress_unlz4.c")):
        boots = built(laid(bench.job(), path), tmp_path, f"boots{at}", BASE)
        assert not is_same_kernel(base, boots), "what starts a kernel is not in its vmlinux"
    other = built(laid(bench.job(), "mm/mmap.c"), tmp_path, "other", BASE.replace("3 +", "4 +"))
    assert not is_same_kernel(base, other)
    (comment.folder / "vmlinux").write_bytes(b"cut")
    assert not is_same_kernel(base, comment)


@pytest.mark.slow
def test_a_kernel_whose_tree_makes_other_programs_is_tested(bench: Bench, tmp_path: Path) -> None:
    base = built(bench.job(), tmp_path, "base", BASE)
    comment = built(laid(bench.job(), "tools/testing/cow.c"), tmp_path, "comment", BASE)
    names = map(Variant.parse, ("6.1", "6.1+mend"))
    jobs = [JobPlan(name, "default", "default", ("ext4-dax",), ("mm",)) for name in names]
    builds = cast("Builds", {jobs[0].build: base, jobs[1].build: comment})
    bases = Bases({jobs[1].variant: jobs[0].variant})
    plan = Plan("verify", tuple(jobs))
    assert bases.is_again(plan, 1, of_programs("a", "a"), builds)
    assert not bases.is_again(plan, 1, of_programs("a", "b"), builds)
    assert not bases.is_again(plan, 0, of_programs("a", "a"), builds)
    # Whoever wants both tested has them beside each other all the same.
    both = Bases(bases.variants, all_run=True)
    assert not both.is_again(plan, 1, of_programs("a", "a"), builds)
    assert both.base_of(jobs[1].variant) == jobs[0].variant


def of_programs(*digests: str) -> Mapping[int, Job]:
    """Jobs, as far as programs go."""
    programs = ((("cow", digest),) for digest in digests)
    evidence = (SimpleNamespace(evidence=Evidence(programs=each)) for each in programs)
    return cast("Mapping[int, Job]", dict(enumerate(evidence)))


def test_a_job_is_beside_its_base_with_its_config_on_its_machine() -> None:
    variants = {Variant("a+s"): Variant("a")}
    plan = Plan("p", tuple(
        JobPlan(Variant(name), "c", machine, ("f",), ("s",))
        for machine in ("m", "n") for name in ("a", "a+s", "b")
    ))  # fmt: skip
    bases = [tuple(Bases(variants)._bases(plan, job)) for job in plan.jobs]
    assert bases == [(), (0,), (), (), (3,), ()]
