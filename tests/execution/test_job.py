# SPDX-License-Identifier: GPL-2.0-only
"""Jobs whose guest never comes up, and how they look: no kernel is booted here.

What real guests do to a job is in tests/guest/test_faults.py.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from lab.config.model import Expectation
from lab.errors import Location, UserError
from lab.execution.job import Job
from lab.execution.run_job import run_job
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.guest import QemuSpec
from lab.model.records import Evidence, TestResult
from lab.model.status import Status
from tests.execution.conftest import KTAP
from tests.guest.jobs import qemu

EXT4 = Dax("ext4-dax", "ext4", (), ("dax",))
XFS = Dax("xfs-dax", "xfs", (), ("dax",))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job whose kernel is no kernel: QEMU refuses it at once."""
    kernel = tmp_path / "bzImage"
    kernel.write_text("no kernel")
    image = tmp_path / "image"
    image.write_bytes(b"")
    spec = QemuSpec(
        kernel=kernel,
        image=image,
        programs={},
        hardware=Hardware(128 << 20, 1, "tcg", "pc", 16 << 20),
        folder=tmp_path / "job",
        boot_s=30,
        ssh_s=30,
        command_s=30,
        shutdown_s=30,
    )
    expected_crash = Expectation(tests=("mlock",), status=Status.CRASH, reason="it does")
    return Job(
        variant="6.1",
        machine="default",
        config="default",
        release="6.1.192",
        guest=spec,
        units=(
            Unit(EXT4, "one", "populate", KTAP),
            Unit(EXT4, "two", "mlock", KTAP),
            Unit(XFS, "one", "populate", KTAP),
        ),
        pattern=None,
        program_s=30,
        expect=(expected_crash,),
        evidence=Evidence(build_key="key"),
    )


@pytest.mark.slow
def test_guest_that_does_not_start_is_an_error_of_each_program(job: Job, tmp_path: Path) -> None:
    told: list[TestResult] = []
    record = run_job(job, told.append)
    assert [(r.filesystem, r.suite, r.test, r.status) for r in record.results] == [
        ("ext4-dax", "one", "populate", Status.ERROR),
        ("ext4-dax", "two", "mlock", Status.ERROR),
        ("xfs-dax", "one", "populate", Status.ERROR),
    ]
    assert tuple(told) == record.results
    for result in record.results:
        assert result.message.startswith("QEMU ended with status 1: qemu")
        assert not result.as_expected
    assert record.evidence.build_key == "key"
    assert record.evidence.proofs == ()
    assert record.evidence.promises == (("ext4-dax", ("dax",)), ("xfs-dax", ("dax",)))
    # One guest was enough to know.
    assert {path.name for path in (tmp_path / "job").iterdir()} == {
        "console.log",
        "qemu.log",
        "resets.log",
    }


@pytest.mark.slow
def test_expectation_comes_with_its_reason(job: Job) -> None:
    (mlock,) = (result for result in run_job(job).results if result.test == "mlock")
    assert (mlock.expected, mlock.reason) == (Status.CRASH, "it does")


def test_program_that_cannot_be_read(job: Job) -> None:
    spec = replace(qemu(job), programs={"populate": Path("/nonexistent/populate")})
    record = run_job(replace(job, guest=spec))
    assert {result.status for result in record.results} == {Status.ERROR}
    assert "/nonexistent/populate" in record.results[0].message


def test_program_that_does_not_compile_is_an_error_of_whoever_wrote_it(job: Job) -> None:
    error = UserError("mine does not compile", where=Location(Path("mine.c"), 3), detail="a\nb")
    given = ((Unit(EXT4, "own", "mine", KTAP), error), (Unit(XFS, "own", "mine", KTAP), error))
    record = run_job(replace(job, units=(), uncompiled=given))
    assert [(r.filesystem, r.suite, r.test, r.status, r.users_fault) for r in record.results] == [
        ("ext4-dax", "own", "mine", Status.ERROR, True),
        ("xfs-dax", "own", "mine", Status.ERROR, True),
    ]
    assert record.results[0].message == "mine does not compile (mine.c:3)"
    assert record.results[0].diagnostics == ("a", "b")
    assert record.results[0].program == "mine"


def test_job_without_programs_boots_nothing(job: Job, tmp_path: Path) -> None:
    record = run_job(replace(job, units=()))
    assert (record.results, record.error) == ((), None)
    assert not (tmp_path / "job").exists()


def test_job_can_go_to_another_process(job: Job) -> None:
    assert pickle.loads(pickle.dumps(job)) == job


def test_deadlines_stretch_with_the_load(job: Job) -> None:
    slow = job.stretched(2.5)
    names = ("boot_s", "ssh_s", "command_s", "shutdown_s")
    assert [getattr(slow.guest, name) for name in names] == [75.0] * 4
    assert slow.program_s == 75.0
    assert (qemu(slow).stall_s, slow.stall_s) == (25.0, 25.0)
    assert job.stretched(1.0) == job
