# SPDX-License-Identifier: GPL-2.0-only
"""Another executor: one module, and the line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.builder.listener import Silent
from lab.config.kinds import MACHINES
from lab.execution import executor
from lab.guest.fake import Script, Stage
from lab.model.status import Status
from lab.plan import plan_variants
from lab.session import Lab
from tests.cli.test_cli import project

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

__all__ = ["project"]

#: Two kernels of one source: jobs that differ.
TWO = """guests = {}

[machines.default]
kind = "played"

[kernels.other]
kind = "dir"
path = "{}"
"""


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def told(project: Path, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """The line of the executor, and a project with guests that are only played."""
    lines = {"post": "tests.doors.executor:post", **executor.EXECUTORS}
    monkeypatch.setattr(executor, "EXECUTORS", lines)
    monkeypatch.setattr(
        "tests.doors.machine.STAGE", Stage({"populate": Script(("a", "b"), {"b": "fail"})})
    )
    monkeypatch.setitem(MACHINES, "played", "tests.doors.machine:played")
    monkeypatch.setattr("lab.doctor.require", lambda _: None)
    toml = project / "lab.toml"
    toml.write_text(f"{TWO.format(7, fake_kernel)}\n{toml.read_text()}")
    return Told()


def test_another_executor_runs_a_plan(project: Path, told: Told) -> None:
    lab = Lab.open(project).telling(told)
    plan = plan_variants(lab.loaded, ("fake", "other"), suites=("populate",))
    run = lab.test(plan, ["lab", "test"])
    assert "2 guests, 7 at once" in told.said
    assert "other: sent, 2 on the way" in told.said
    # They came back in another order than they went.
    assert [job.variant for job in run.jobs] == ["other", "fake"]
    assert {(one.variant, one.test, one.status) for one in run.results} == {
        (variant, test, status)
        for variant in ("fake", "other")
        for test, status in (("a", Status.PASS), ("b", Status.FAIL))
    }
    assert run.finished


def test_one_that_does_not_take_it_leaves_it_to_the_next(project: Path, told: Told) -> None:
    toml = project / "lab.toml"
    toml.write_text(toml.read_text().replace("guests = 7", "guests = 1"))
    lab = Lab.open(project).telling(told)
    run = lab.test(plan_variants(lab.loaded, ("fake",), suites=("populate",)), ["lab", "test"])
    assert "fake: booting" in told.said
    assert run.finished
