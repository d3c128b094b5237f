# SPDX-License-Identifier: GPL-2.0-only
"""Tests that are known before anything boots: each is planned, and none is missed in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config.model import DirKernel
from lab.errors import InfrastructureError
from lab.execution.prepare import by_test
from lab.execution.run_job import run_job
from lab.execution.unit import Unit
from lab.guest.command import CommandResult
from lab.guest.fake import FakeGuest, Stage
from lab.model.variant import Variant
from lab.plan import JobPlan
from lab.suites.manner import Manner
from lab.suites.xfstests import Xfstests
from tests.execution.conftest import EXT4, XFS, MakeJob
from tests.suites.output.test_xfstests import read
from tests.suites.test_xfstests import said, source, unbuilt

__all__ = ["source", "unbuilt"]


def plan(pattern: str | None = None) -> JobPlan:
    return JobPlan(Variant("mine"), "default", "default", ("ext4-dax",), ("x",), pattern)


@pytest.fixture
def units(source: Path, unbuilt: Path) -> tuple[Unit, ...]:
    suite = Xfstests(
        source.parent, Manner(arguments=("-g", "dax")), DirKernel(kind="dir", path=source)
    )
    files = suite.build(["check-dax"], unbuilt).files
    asked = [Unit(recipe, "xfstests-dax", "check-dax", suite) for recipe in (EXT4, XFS)]
    good, bad = by_test(asked, files, {}, plan())
    assert not bad
    picked, _ = by_test(asked, files, {}, plan("generic/4*"))
    assert [unit.test for unit in picked] == ["generic/413", "generic/413"]
    return tuple(good)


def test_each_is_a_unit_on_each_filesystem_that_has_it(units: tuple[Unit, ...]) -> None:
    assert [(unit.filesystem.name, unit.test) for unit in units] == [
        ("ext4-dax", "ext4/030"),
        ("ext4-dax", "generic/1000"),
        ("ext4-dax", "generic/413"),
        ("xfs-dax", "generic/1000"),
        ("xfs-dax", "generic/413"),
        ("xfs-dax", "xfs/550"),
    ]


def test_a_filesystem_that_none_is_for_is_told(source: Path, unbuilt: Path) -> None:
    suite = Xfstests(
        source.parent, Manner(arguments=("xfs/550",)), DirKernel(kind="dir", path=source)
    )
    files = suite.build(["check-dax"], unbuilt).files
    asked = [Unit(recipe, "xfstests-dax", "check-dax", suite) for recipe in (EXT4, XFS)]
    good, ((unit, error),) = by_test(asked, files, {}, plan())
    assert [each.test for each in good] == ["xfs/550"]
    assert (unit, error.what) == (asked[0], "none of its tests is for ext4")
    assert not by_test(asked[:1], files, {}, plan("xfs/*"))[1], "a pattern may leave one out"


def test_what_cannot_be_built_is_told(source: Path) -> None:
    unit = Unit(EXT4, "xfstests-dax", "check-dax", Xfstests(source.parent))
    error = InfrastructureError("no network")
    assert by_test([unit], {}, {"check-dax": error}, plan()) == ([], [(unit, error)])


def test_one_that_ends_its_guest_costs_itself(
    make_job: MakeJob, stage: Stage, units: tuple[Unit, ...]
) -> None:
    def dies(guest: FakeGuest, *_: object) -> CommandResult:
        raise guest.dies("panic")

    def passes(*_: object) -> CommandResult:
        check = read("passes").decode().replace("ext4/034", "generic/413")
        return CommandResult(0, said(check.encode()).decode(), "", 0.0)

    stage.answers |= {"generic/1000": dies, "check-dax": passes}
    record = run_job(make_job({}, units=units[:3]))
    found = {one.test: str(one.status) for one in record.results}
    assert found["generic/1000"] == "crash"
    assert set(found) >= {"ext4/030", "generic/1000", "generic/413"}
    assert found["ext4/030"] != "pass"  # its check told of others
