# SPDX-License-Identifier: GPL-2.0-only
"""Which killed run another goes on with: none that would not be the same now."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab.build import Build
from lab.config.model import Status
from lab.lab import Lab
from lab.plan import plan_variants
from lab.results import Evidence, JobRecord, RunFolder, RunRecord, TestResult, write_json
from lab.run import _begun, make_job
from tests.cli.test_cli import project

pytestmark = pytest.mark.slow

__all__ = ["project"]

EXPECT = """
[[expect]]
tests = ["t"]
status = "fail"
reason = "known"
"""


class Killed:
    """A run of two jobs that was killed when the first had ended."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lab = Lab.open(root)
        self.plan = plan_variants(self.lab.loaded, (), suites=("populate",))
        self.builds = self.lab.build_all(self.plan)
        self.folder = RunFolder(self.lab.results, "20260101-120000-ab12")
        built = self.builds[self.plan.builds[0]]
        assert isinstance(built, Build)
        job = make_job(self.lab, self.plan.jobs[0], built, self.folder.job(0, "fake"))
        self.evidence: Evidence = job.evidence
        self.run = RunRecord(
            self.folder.run_id, "then", plan=tuple(self.plan.describe()), jobs=(self.record(),)
        )
        write_json(self.folder.record, asdict(replace(self.run, jobs=())))

    def record(self, *results: TestResult, evidence: Evidence | None = None) -> JobRecord:
        made = results or (self.result(),)
        return JobRecord(
            "fake", "4.2.0", "default", "default", "then", 1.0, evidence or self.evidence, made
        )

    def result(self, status: Status = Status.PASS) -> TestResult:
        return TestResult("fake", "4.2.0", "ext4-dax", "populate", "t", status)

    def goes_on(self, *jobs: JobRecord, lab: Lab | None = None) -> bool:
        killed = replace(self.run, jobs=jobs or self.run.jobs)
        begun = _begun((lab or self.lab).going_on_with(killed), self.plan, self.builds)
        return begun is not None and list(begun[1]) == [0]


@pytest.fixture
def killed(project: Path) -> Killed:
    return Killed(project)


def test_killed_run(killed: Killed) -> None:
    assert killed.goes_on()
    for other in (
        replace(killed.evidence, build_key="x"),
        replace(killed.evidence, qemu_version="x"),
        replace(killed.evidence, programs_digest="x"),
        replace(killed.evidence, image_digest="x"),
        replace(killed.evidence, machine_description="x"),
    ):
        assert not killed.goes_on(killed.record(evidence=other))
    assert not killed.goes_on(killed.record(killed.result(Status.ERROR)))
    assert not killed.goes_on(replace(killed.record(), error="no disk"))
    assert not killed.goes_on(replace(killed.record(), variant="another"))
    assert not killed.goes_on(killed.record(), killed.record())
    toml = killed.root / "lab.toml"
    toml.write_text(toml.read_text().replace("[paths]", f"{EXPECT}\n[paths]"))
    assert not killed.goes_on(lab=Lab.open(killed.root))
    with killed.folder.held():
        assert not killed.goes_on()
    assert killed.goes_on()
    killed.plan = plan_variants(killed.lab.loaded, ("fake",), suites=("populate",))
    assert not killed.goes_on()
    killed.plan = plan_variants(killed.lab.loaded, (), suites=("populate",))
    killed.folder.record.unlink()
    assert not killed.goes_on()
