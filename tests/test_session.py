# SPDX-License-Identifier: GPL-2.0-only
"""What the library decides for a run as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import lab.host.capacity
from lab.builder import Builder, Failure
from lab.errors import ExitStatus
from lab.execution.jobs import guests_at_once
from lab.model.variant import Variant
from lab.plan import Plan, plan_matrix
from lab.session import Lab

ROOT = Path(__file__).parents[1]
GIB = 1 << 30


def project(folder: Path, local: str) -> tuple[Lab, Plan]:
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab.local.toml").write_text(local)
    opened = Lab.open(folder / "lab.toml")
    return opened, plan_matrix(opened.loaded, "default")


@pytest.mark.parametrize(
    ("local", "cpus", "memory", "guests"),
    [
        ("", 2, 64, 1),
        ("", 16, 64, 8),
        ("", 1, 64, 1),
        ("[machines.default]\ncpus = 1", 4, 64, 4),
        # A guest has 1 GiB of RAM and an NVDIMM of 512 MiB.
        ("", 16, 4, 2),
        ("", 16, 1, 1),
        ("guests = 20", 2, 1, 20),
    ],
)
def test_guests_side_by_side(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    local: str,
    cpus: int,
    memory: int,
    guests: int,
) -> None:
    monkeypatch.setattr(lab.host.capacity, "_cpus", lambda: cpus)
    monkeypatch.setattr(lab.host.capacity, "_available_memory", lambda: memory * GIB)
    opened, plan = project(tmp_path, local)
    assert guests_at_once(opened.loaded, plan, opened.builder.capacity) == guests


@pytest.mark.parametrize(
    ("local", "cpus", "builds"),
    [("", 1, 1), ("", 2, 1), ("", 4, 2), ("", 64, 4), ("builds = 3", 2, 3)],
)
def test_builds_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: str, cpus: int, builds: int
) -> None:
    monkeypatch.setattr(lab.host.capacity, "_cpus", lambda: cpus)
    opened, _ = project(tmp_path, local)
    assert opened.builder.capacity.builds_at_once == builds


def test_available_memory_is_some_and_no_more_than_there_is() -> None:
    total = next(
        int(line.split()[1]) << 10
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    assert 0 < lab.host.capacity._available_memory() <= total


def test_load_is_what_the_guests_themselves_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.host.capacity, "_cpus", lambda: 2)
    opened, _ = project(tmp_path, "")
    cpus = opened.loaded.config.machines["default"].cpus
    assert [opened.builder.capacity.load(width * cpus) for width in (1, 2, 20)] == [1, 2, 20]
    monkeypatch.setattr(lab.host.capacity, "_cpus", lambda: 64)
    assert opened.builder.capacity.load(20 * cpus) == 1


def test_a_build_that_fails_as_nobody_foresaw_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(_: Builder, variant: Variant, *__: object) -> str:
        if variant.series:
            raise KeyError("surprise")
        return "built"

    monkeypatch.setattr(Builder, "build", build)
    opened, plan = project(tmp_path, "builds = 1")
    made = {str(request.variant): made for request, made in opened.builder.build_all(plan).items()}
    failed = [one for one in made.values() if isinstance(one, Failure)]
    assert len(failed) == len(made) - 1 > 0
    assert {one.error.status for one in failed} == {ExitStatus.INFRASTRUCTURE}
    assert "the lab itself failed: KeyError: 'surprise'" in str(failed[0].error)
