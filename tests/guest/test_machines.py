# SPDX-License-Identifier: GPL-2.0-only
"""Another kind of machine than QEMU's: one module, and the line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.execution import prepare
from lab.guest.fake import FakeSpec, Script, Stage
from lab.model.status import Status
from lab.plan import plan_variants
from lab.session import Lab
from tests.cli.test_cli import project
from tests.execution.conftest import stage

pytestmark = pytest.mark.slow

__all__ = ["project", "stage"]


@pytest.fixture
def lab(project: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose guests are only played."""
    monkeypatch.setattr(prepare, "spec_for", lambda asked: FakeSpec(asked.folder, stage))
    monkeypatch.setattr("lab.doctor.require", lambda _: None)
    return Lab.open(project)


def test_a_run_on_guests_of_another_kind(lab: Lab, stage: Stage) -> None:
    stage.scripts["populate"] = Script(("a", "b"), {"b": "panic"})
    plan = plan_variants(lab.loaded, ("fake",), suites=("populate",))
    run = lab.test(plan, ["lab", "test"])
    assert {(one.test, one.status) for one in run.results} == {
        ("a", Status.PASS),
        ("b", Status.CRASH),
    }
    (job,) = run.jobs
    assert (job.evidence.accelerator, job.evidence.machine_description) == (
        "none",
        "none: it is played",
    )
    assert Path(run.folder, job.evidence.console_path).is_file()


def test_a_guest_of_another_kind(lab: Lab, stage: Stage) -> None:
    with lab.guest("fake") as guest:
        guest.put(b"data", "/tmp/data")
        assert guest.fetch("/tmp/data") == b"data"
    assert stage.made[0].closed
