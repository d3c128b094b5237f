# SPDX-License-Identifier: GPL-2.0-only
"""How mutants are tested: in which order, for how long, and by what the patch comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.analysis.mutant_score import Fate, Reference, TestName, judge
from lab.config.model import Fresh
from lab.execution.job import Job
from lab.execution.mutant_job import expectations, in_order, within
from lab.execution.run_job import run_job
from lab.guest.fake import Script
from lab.model.records import JobRecord
from lab.model.status import Status
from tests.execution.conftest import EXT4, XFS, MakeJob

TURNED: tuple[TestName, ...] = (
    ("xfs-dax", "s", "lock", "lock.b"),
    ("ext4-dax", "s", "lock", "lock.b"),
    ("ext4-dax", "s", "lock", "lock.a"),
    ("ext4-dax", "s", "map", "map.a"),
)


def scripts(**does: str) -> dict[str, Script]:
    return {
        "other": Script(("other.a",), does),
        "map": Script(("map.a", "map.b"), does),
        "lock": Script(("lock.a", "lock.b"), does),
    }


def tried(make_job: MakeJob, does: dict[str, str], patched: dict[str, str]) -> JobRecord:
    """A mutant's record, with what its tests do, and those of the patch."""
    control = as_is(make_job, patched)
    reference = Reference(control, control)
    job = make_job(scripts(**does), EXT4, XFS, fresh=Fresh.JOB)
    units = tuple(in_order(job.units, TURNED, None))
    expect = tuple(expectations(job, reference))
    return run_job(replace(job, units=units, expect=expect, max_fail=1))


def as_is(make_job: MakeJob, does: dict[str, str]) -> JobRecord:
    job = make_job(scripts(**does), EXT4, XFS, fresh=Fresh.JOB)
    return run_job(replace(job, units=tuple(in_order(job.units, TURNED, None))))


def test_what_the_series_turned_comes_first(make_job: MakeJob) -> None:
    job = make_job(scripts(), XFS, EXT4)
    found = [
        (unit.filesystem.name, unit.program, unit.test)
        for unit in in_order(job.units, TURNED[1:], None)
    ]
    assert found == [
        # A test of each program that the series turned any of, and then all.
        ("ext4-dax", "lock", "lock.b"),
        ("ext4-dax", "map", "map.a"),
        ("ext4-dax", "lock", None),
        ("ext4-dax", "map", None),
        ("ext4-dax", "other", None),
        ("xfs-dax", "other", None),
        ("xfs-dax", "map", None),
        ("xfs-dax", "lock", None),
    ]


def test_where_nothing_turned_all_is_as_it_was(make_job: MakeJob) -> None:
    job = make_job(scripts(), EXT4, XFS)
    assert tuple(in_order(job.units, (), None)) == job.units


@pytest.mark.parametrize(
    ("does", "patched", "fate"),
    [
        ({}, {}, Fate.SURVIVED),
        ({"lock.b": "fail"}, {}, Fate.NOTICED),
        ({"other.a": "fail"}, {}, Fate.NOTICED),
        ({"map.a": "panic"}, {}, Fate.NOTICED),
        # What fails with the patch, too, does not end it, and is no notice.
        ({"lock.b": "fail"}, {"lock.b": "fail"}, Fate.SURVIVED),
        ({}, {"other.a": "fail"}, Fate.NOTICED),
    ],
)
def test_what_becomes_of_it(
    make_job: MakeJob, does: dict[str, str], patched: dict[str, str], fate: Fate
) -> None:
    control = as_is(make_job, patched)
    record = tried(make_job, does, patched)
    assert judge(record, Reference(control, control)).fate is fate


def test_the_first_that_notices_ends_it(make_job: MakeJob) -> None:
    record = tried(make_job, {"lock.b": "fail"}, {})
    assert [result.test for result in record.results if result.ran] == ["lock.b"]


def test_a_deadline_is_by_what_the_patch_took(make_job: MakeJob) -> None:
    job: Job = make_job(scripts(), EXT4, program_s=300.0)
    control = as_is(make_job, {})
    slow = tuple(
        replace(result, duration_s=4.0 if result.program == "lock" else 0.1)
        for result in control.results
    )
    reference = Reference(replace(control, results=slow), control)
    found = {unit.program: within(unit, reference, 300.0).timeout_s for unit in job.units}
    # Ten times what all tests of a program took; 15 s at least; never more than it may take.
    assert found == {"other": 15.0, "map": 15.0, "lock": 80.0}
    short = within(job.units[2], reference, 20.0)
    assert short.timeout_s == 20.0


def test_what_no_expectation_says_is_expected_of_a_mutant(make_job: MakeJob) -> None:
    control = as_is(make_job, {"lock.b": "fail"})
    job = make_job(scripts(), EXT4, XFS)
    rules = list(expectations(job, Reference(control, control)))
    assert {(rule.filesystems, rule.tests, rule.status) for rule in rules} == {
        (("ext4-dax",), ("lock.b",), Status.FAIL),
        (("xfs-dax",), ("lock.b",), Status.FAIL),
    }
    assert replace(job, expect=tuple(rules)).expected("ext4-dax", "s", "lock.b")[0] is Status.FAIL
