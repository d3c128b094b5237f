# SPDX-License-Identifier: GPL-2.0-only
"""Another kind of machine than QEMU's: one module, and the line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config import load
from lab.config.kinds import MACHINES
from lab.errors import LabError
from lab.guest.fake import Script, Stage
from lab.model.status import Status
from lab.plan import plan_variants
from lab.session import Lab
from tests.cli.test_cli import project
from tests.doors import machine
from tests.execution.conftest import stage

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

__all__ = ["project", "stage"]


@pytest.fixture
def lab(project: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose guests are only played."""
    monkeypatch.setattr(machine, "STAGE", stage)
    monkeypatch.setitem(MACHINES, "played", "tests.doors.machine:played")
    monkeypatch.setattr("lab.doctor.require", lambda _: None)
    toml = project / "lab.toml"
    toml.write_text(f'{toml.read_text()}\n[machines.default]\nkind = "played"\n')
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


def test_a_kind_of_machine_that_there_is_not(lab: Lab, project: Path) -> None:
    toml = project / "lab.toml"
    toml.write_text(toml.read_text().replace('"played"', '"playd"'))
    with pytest.raises(LabError, match="cannot be 'playd'") as error:
        load(project)
    assert "played (known: qemu, played)" in str(error.value.hint)
