# SPDX-License-Identifier: GPL-2.0-only
"""Under what a guest runs that is asked for on one host and runs on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.execution.cluster.host import KVM
from lab.execution.cluster.needs import needs_of
from lab.execution.cluster.work import settled
from lab.execution.recipe import keep_boot
from lab.execution.surroundings import CPU
from lab.guest.qemu import parts
from lab.guest.qemu.accelerator import Accelerator
from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.guest import QemuSpec
from lab.guest.qemu.parts import AnyAccelerator
from lab.results import JobFolder
from lab.results.recipe import parse_recipe, write_recipe
from tests.execution.conftest import MakeJob
from tests.results.test_recipe import RECIPE

MIB = 1 << 20
TOLD = "tsc_early_khz=2000000 lpj=8000000"


def spec(folder: Path, accelerator: str, *, auto: bool) -> QemuSpec:
    return QemuSpec(
        kernel=folder / "bzImage",
        image=folder / "image",
        programs={},
        hardware=Hardware(1024 * MIB, 2, accelerator, "q35", 512 * MIB),
        folder=folder,
        boot_s=1,
        ssh_s=1,
        command_s=1,
        shutdown_s=1,
        append=TOLD if accelerator == "tcg" else "",
        any_accelerator=AnyAccelerator(5.0, 250) if auto else None,
    )


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A host, and what guests run under there."""
    host = {"under": "tcg"}
    monkeypatch.setattr(parts, "choose", lambda *_: Accelerator(host["under"], "it ran"))  # type: ignore[arg-type]
    monkeypatch.setattr(parts, "host_tsc_khz", lambda _: 3000000)
    monkeypatch.setattr("lab.guest.qemu.tsc.host_tsc_khz", lambda _: 3000000)
    return host


@pytest.mark.parametrize(
    ("here", "there", "append"),
    [
        ("tcg", "kvm", ""),
        ("kvm", "tcg", "tsc_early_khz=3000000 lpj=12000000"),
        ("tcg", "tcg", "tsc_early_khz=3000000 lpj=12000000"),
        ("kvm", "kvm", ""),
    ],
)
def test_auto_is_asked_where_the_job_runs(
    make_job: MakeJob, tmp_path: Path, runs: dict[str, str], here: str, there: str, append: str
) -> None:
    """Its guests, and all that is recorded of them."""
    runs["under"] = there
    job = replace(make_job({}), guest=spec(tmp_path, here, auto=True))
    around = (("fresh", "job"), (CPU, "another"))
    job = replace(job, evidence=replace(job.evidence, accelerator=here, surroundings=around))
    found = settled(job, tmp_path / "there", tmp_path, lambda path: path)
    assert isinstance(found.guest, QemuSpec)
    assert (found.guest.hardware.accelerator, found.guest.append) == (there, append)
    evidence, told = found.evidence, found.guest.describe()
    assert evidence.accelerator == there
    assert f", {there}" in evidence.hardware
    assert evidence.hardware == evidence.machine_description == told.hardware
    assert evidence.surroundings == (("fresh", "job"), (CPU, told.cpu))


def test_what_is_named_is_used(make_job: MakeJob, tmp_path: Path, runs: dict[str, str]) -> None:
    """Where another could do better, too: no result is of another machine than was asked for."""
    runs["under"] = "kvm"
    job = replace(make_job({}), guest=spec(tmp_path, "tcg", auto=False))
    found = settled(job, tmp_path, tmp_path, lambda path: path)
    assert found.evidence.accelerator == "tcg"


def test_kvm_is_asked_for_only_where_it_is_named(make_job: MakeJob, tmp_path: Path) -> None:
    """A host without it has TCG, as where there is one host."""
    job = make_job({})
    needs = [
        needs_of(replace(job, guest=spec(tmp_path, "kvm", auto=auto))) for auto in (True, False)
    ]
    assert [KVM in each for each in needs] == [False, True]


def test_a_recipe_starts_guests_as_they_were(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    boot = spec(tmp_path, "kvm", auto=True).recipe()
    keep_boot(folder, boot)
    assert not folder.recipe.exists()
    write_recipe(folder.recipe, RECIPE)
    keep_boot(folder, boot)
    kept = parse_recipe(folder.recipe.read_bytes())
    assert kept.hardware is not None
    assert kept.hardware.accelerator == "kvm"
    assert kept == replace(RECIPE, hardware=boot.hardware, arguments=boot.arguments,
                           prepare=boot.prepare)  # fmt: skip
