# SPDX-License-Identifier: GPL-2.0-only
"""Guests of what is built already run while the rest is built, where there are CPUs for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.analysis.run_status import run_status
from lab.build import Build
from lab.builder import Builder, Silent
from lab.errors import ExitStatus, InfrastructureError, LabError, UserError
from lab.execution.in_process import InProcess
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant
from lab.plan import Plan, plan_variants
from lab.process.interrupt import Interrupted
from lab.session import Lab
from tests.build.conftest import until
from tests.cli.test_cli import project
from tests.execution.test_run import Jobs, lab_and_plan

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

__all__ = ["lab_and_plan", "project"]


class Builds:
    """Builds that take as long as a test has them take, on a host with so many CPUs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cpus: int = 4) -> None:
        #: What each variant's build waits for, or why it fails.
        self.waits: dict[str, Callable[[], object] | LabError] = {}
        self.stopped: list[str] = []
        build = Builder.build

        def slow(
            builder: Builder,
            variant: Variant,
            config: str,
            stopped: Callable[[], bool] = bool,
            fragments: tuple[str, ...] = (),
        ) -> Build:
            self.wait(str(variant), stopped)
            return build(builder, variant, config, stopped, fragments)

        monkeypatch.setattr(Builder, "build", slow)
        monkeypatch.setattr("lab.host.capacity._cpus", lambda: cpus)

    def wait(self, variant: str, stopped: Callable[[], bool]) -> None:
        """Raises InfrastructureError when it was stopped."""
        wait = self.waits.get(variant, lambda: True)
        if isinstance(wait, LabError):
            raise wait
        until(lambda: wait() or stopped())
        if stopped():
            self.stopped.append(variant)
            raise InfrastructureError("the build was stopped")


def _errors(run: RunRecord) -> list[tuple[str, str | None]]:
    return [(job.variant, str(job.error) if job.error else None) for job in run.jobs]


def test_guests_of_the_first_build_run_while_the_second_is_built(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    builds, jobs = Builds(monkeypatch), Jobs(monkeypatch, Status.PASS, Status.PASS)
    builds.waits["other"] = lambda: jobs.began == ["fake"]
    assert _errors(lab.test(plan, ["lab", "test"])) == [("fake", None), ("other", None)]
    # A guest has the CPUs that compilers leave.
    cpus = lab.loaded.config.machines["default"].cpus
    stretched = (cpus + lab.builder.toolchain.jobs) / 4
    assert jobs.boot_s == [max(1, stretched), 1]


def test_deadlines_grow_by_the_compilers(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    builds, jobs = Builds(monkeypatch), Jobs(monkeypatch, Status.PASS, Status.PASS)
    builds.waits["other"] = lambda: jobs.began == ["fake"]
    monkeypatch.setattr("lab.execution.jobs.Jobs._load", lambda jobs, _: 1 + jobs.builds.left)
    lab.test(plan, ["lab", "test"])
    assert jobs.boot_s == [2, 1]


def test_few_cpus_build_first(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    builds, jobs = Builds(monkeypatch, cpus=1), Jobs(monkeypatch, Status.PASS, Status.PASS)
    builds.waits["other"] = lambda: not jobs.began
    lab.test(plan, ["lab", "test"])
    assert jobs.began == ["fake", "other"]


def test_a_build_that_fails_stops_no_other(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    builds, jobs = Builds(monkeypatch), Jobs(monkeypatch, Status.PASS)
    builds.waits["fake"] = UserError("it does not compile")
    run = lab.test(plan, ["lab", "test"])
    assert _errors(run) == [("fake", "it does not compile"), ("other", None)]
    assert jobs.began == ["other"]
    assert run_status(run) is ExitStatus.USER


def test_max_fail_stops_builds_that_nobody_will_test(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    builds = Builds(monkeypatch)
    Jobs(monkeypatch, Status.FAIL)
    builds.waits["other"] = lambda: False
    run = lab.stopping_after(1).test(plan, ["lab", "test", "-x"])
    assert builds.stopped == ["other"]
    _assert_that_the_other_did_not_run(run)


def _assert_that_the_other_did_not_run(run: RunRecord) -> None:
    (other,) = (job for job in run.jobs if job.variant == "other")
    assert [result.ran for result in other.results] == [False]
    assert "--max-fail" in other.results[0].message
    assert other.error is None
    assert run.finished
    assert run_status(run) is ExitStatus.UNEXPECTED


def test_an_interrupt_keeps_what_ended_while_another_was_built(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, plan = lab_and_plan
    builds, jobs = Builds(monkeypatch), Jobs(monkeypatch, Status.PASS, Status.PASS)
    builds.waits["other"] = lambda: False
    with monkeypatch.context() as patch:
        patch.setattr("lab.execution.in_process.InProcess", InterruptedWhileItWaits)
        with pytest.raises(Interrupted) as stop:
            lab.test(plan, ["lab", "test"])
    shown = stop.value.run
    assert _errors(shown) == [("fake", None), ("other", "interrupted")]
    assert [(one.test, one.ran) for one in shown.results] == [("t", True), ("populate", False)]
    assert builds.stopped == ["other"]
    builds.waits.clear()
    finished = lab.test(plan, ["lab", "test"])
    assert finished.id == shown.id
    assert _errors(finished) == [("fake", None), ("other", None)]
    assert jobs.began == ["fake", "other"]


def test_an_interrupt_ends_builds_while_guests_end(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other they would take longer than whoever interrupts waits."""
    lab, plan = lab_and_plan
    builds = Builds(monkeypatch)
    Jobs(monkeypatch, Status.PASS)
    builds.waits["other"] = lambda: False

    class Slow(InterruptedWhileItWaits):
        def stop(self) -> Iterator[tuple[int, JobRecord]]:
            until(lambda: builds.stopped == ["other"])
            return super().stop()

    monkeypatch.setattr("lab.execution.in_process.InProcess", Slow)
    with pytest.raises(Interrupted):
        lab.test(plan, ["lab", "test"])
    assert builds.stopped == ["other"]


class InterruptedWhileItWaits(InProcess):
    """A signal comes when there is nothing to run."""

    def next_record(self) -> tuple[int, JobRecord] | None:
        if not self.busy:
            raise KeyboardInterrupt
        return super().next_record()


class Told(Silent):
    """What has a result."""

    def __init__(self) -> None:
        self.variants: list[str] = []

    def result(self, result: TestResult) -> None:
        self.variants.append(result.variant)


@pytest.fixture
def pair(
    lab_and_plan: tuple[Lab, Plan], monkeypatch: pytest.MonkeyPatch
) -> tuple[Lab, Plan, Builds, Told]:
    """Three variants, and two guests side by side, in processes."""
    told = Told()
    lab = lab_and_plan[0].telling(told)
    builds = Builds(monkeypatch)
    Jobs(monkeypatch)
    monkeypatch.setattr("lab.execution.jobs.guests_at_once", lambda *_: 2)
    return lab, plan_variants(lab.loaded, ("other", "fake", "fake+fix")), builds, told


def test_side_by_side_each_begins_when_its_build_is_there(
    pair: tuple[Lab, Plan, Builds, Told],
) -> None:
    lab, plan, builds, told = pair
    builds.waits["other"] = lambda: "fake" in told.variants
    builds.waits["fake+fix"] = UserError("it does not apply")
    # What is waited for before anything is recorded is the first of them.
    run = lab.test(plan, ["lab", "test"])
    assert sorted(told.variants) == ["fake", "other"]
    assert [job.variant for job in run.jobs_in_order] == ["other", "fake", "fake+fix"]


def test_side_by_side_max_fail_stops_builds(pair: tuple[Lab, Plan, Builds, Told]) -> None:
    lab, _, builds, _ = pair
    plan = plan_variants(lab.loaded, ("fake", "other", "fake+fix"))
    builds.waits["other"] = lambda: False
    run = lab.stopping_after(1).test(plan, ["lab", "test", "-x"])
    _assert_that_the_other_did_not_run(run)
