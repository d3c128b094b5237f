# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on guests that are only played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.execution import stall_watch
from lab.execution.job import Job
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.fake import FakeSpec, Script, Stage
from lab.model.records import Evidence
from lab.suites.c_programs import CPrograms

EXT4 = Dax("ext4-dax", "ext4", (), ("dax",))
XFS = Dax("xfs-dax", "xfs", (), ("dax",))
#: Programs that print KTAP, as those of scripts do.
KTAP = CPrograms(Path("/nowhere"))
MakeJob = Callable[..., Job]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    # Its guests print at once.
    monkeypatch.setattr(stall_watch, "_TICK_S", 0.01)
    monkeypatch.setattr(stall_watch, "_WHOLE_S", 0.05)
    return Stage()


@pytest.fixture
def make_job(stage: Stage, tmp_path: Path) -> MakeJob:
    def make(scripts: dict[str, Script], *recipes: Dax, **changes: object) -> Job:
        stage.scripts.update(scripts)
        units = tuple(
            Unit(recipe, "s", name, KTAP) for recipe in recipes or (EXT4,) for name in scripts
        )
        job = Job(
            variant="mine",
            machine="default",
            config="default",
            release="6.1.192",
            guest=FakeSpec(tmp_path / "job", stage),
            units=units,
            pattern=None,
            program_s=2.0,
            expect=(),
            evidence=Evidence(),
            stall_s=0.15,
        )
        return replace(job, **changes)  # type: ignore[arg-type]

    return make
