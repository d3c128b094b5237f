# SPDX-License-Identifier: GPL-2.0-only
"""Played guests in processes side by side: a limit of failures costs what it says, and no more."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from lab.build import Build
from lab.execution.job import Job
from lab.execution.pool import Pool
from lab.execution.prepare import Preparer
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.fake import FakeSpec, Script, Stage
from lab.model.records import Evidence
from lab.plan import JobPlan, plan_variants
from lab.results import JobFolder
from lab.session import Lab
from tests.cli.test_cli import project
from tests.execution.conftest import KTAP, MakeJob

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

__all__ = ["project"]

KERNELS = ("fake", "other", "third", "fourth")
FILESYSTEMS = ("ext4-dax", "xfs-dax")
#: What the tests of each kernel do.
DOES = {"fake": {"b": "fail"}, "other": {"b": "oops"}, "third": {"d": "vanish"}, "fourth": {}}


@pytest.fixture
def lab(project: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Four kernels, two guests at once; each test takes a moment."""
    toml = project / "lab.toml"
    text = toml.read_text()
    table = text[text.index('kind = "dir"') : text.index("[series.fix]")]
    more = "".join(f"[kernels.{name}]\n{table}\n" for name in KERNELS[1:])
    toml.write_text("guests = 2\n" + text.replace("[series.fix]", f"{more}[series.fix]"))
    monkeypatch.setattr(Preparer, "job", staticmethod(_job))
    monkeypatch.setattr("lab.doctor.require", lambda _: None)
    return Lab.open(project)


def _job(planned: JobPlan, built: Build, folder: JobFolder) -> Job:
    scripts = {name: Script(("a", "b", "c", "d"), DOES[str(planned.variant)]) for name in "pq"}
    units = [
        Unit(Dax(name, "ext4", (), ("dax",)), "s", program, KTAP)
        for name in FILESYSTEMS
        for program in "pq"
    ]
    return Job(
        variant=planned.variant,
        machine=planned.machine,
        config=planned.config,
        release=built.release,
        guest=FakeSpec(folder.path, Stage(scripts, second_s=0.01), boot_s=1.0),
        units=tuple(units),
        pattern=None,
        program_s=5.0,
        expect=(),
        evidence=Evidence(build_key=built.key),
    )


def test_a_process_that_only_begins_is_not_killed(make_job: MakeJob) -> None:
    """SIGTERM would end it before it knows better, and with it the pool and all the others."""
    job = make_job({"p": Script(("a", "b"))})
    with Pool(2, print, print) as pool:
        pool.submit(0, job)
        pool.submit(1, job)
        pool.end()
        ended = [pool.next_record() for _ in range(pool.busy)]
    records = [numbered[1] for numbered in ended if numbered is not None]
    assert [str(record.error) for record in records] == ["interrupted"] * len(records)
    assert not any(result.ran for record in records for result in record.results)


def test_a_pool_that_broke_is_left_all_the_same(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python tells the workers that are left SIGTERM, which they take for the lab's."""
    monkeypatch.setattr("lab.execution.pool._LEAVING_S", 0.5)
    with Pool(2, print, print) as pool:
        for number in range(2):
            pool.submit(number, make_job({"p": Script(("a",))}))
        for _ in range(2):
            assert pool.next_record() is not None
        worker, *_ = pool._pool._processes
        os.kill(worker, signal.SIGKILL)
        while not pool._pool._broken:
            time.sleep(0.01)


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_the_limit_interrupts_nothing_but_guests(lab: Lab, most: int) -> None:
    """What had ended stays as it was, what did not run says so, and the run comes to its end."""
    plan = plan_variants(lab.loaded, KERNELS)
    run = lab.stopping_after(most).test(plan, ["lab", "test"])
    assert run.finished
    assert [str(job.error) for job in run.jobs] == ["None"] * len(KERNELS)
    told = {(one.variant, one.filesystem, one.program) for one in run.results}
    assert told == {
        (kernel, name, program) for kernel in KERNELS for name in FILESYSTEMS for program in "pq"
    }
    assert sum(one.ran and not one.as_expected for one in run.results) >= max(1, most)
    assert all(one.ran for one in run.results) == (most == 0)
