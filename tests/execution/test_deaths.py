# SPDX-License-Identifier: GPL-2.0-only
"""What a death, a hang or an end before its time costs a job: guests without a QEMU."""

from __future__ import annotations

import time

import pytest

from lab.config.model import Expectation
from lab.execution.findings import Findings
from lab.execution.run_job import JobInterrupted, run_job
from lab.execution.stall_watch import StallWatch
from lab.guest.command import CommandResult
from lab.guest.fake import Script, Stage
from lab.model.records import JobRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.process.cpu_waits import Times
from lab.suites.judge import Judged, judge
from tests.execution.conftest import EXT4, XFS, MakeJob

ABC = ("a", "b", "c", "d")


def statuses(results: tuple[TestResult, ...], filesystem: str = "ext4-dax") -> dict[str, str]:
    return {one.test: one.status.value for one in results if one.filesystem == filesystem}


def message(record: JobRecord, test: str) -> str:
    return next(one.message for one in record.results if one.test == test)


def unrun(record: JobRecord) -> list[str]:
    return [one.test for one in record.results if not one.ran]


def test_death_costs_one_test(make_job: MakeJob, stage: Stage) -> None:
    script = Script(ABC, {"b": "panic"})
    record = run_job(make_job({"p": script, "q": Script(("x",))}))
    assert statuses(record.results) == {
        "a": "pass",
        "b": "crash",
        "c": "pass",
        "d": "pass",
        "x": "pass",
    }
    assert script.ran == list(ABC)
    assert len(stage.made) == 2
    assert "boom" in message(record, "b")
    complaints = {one.test: one.complaint for one in record.results if one.complaint}
    assert complaints == {"b": str(record.complaints[0].complaint)}
    said = {one.test: one.diagnostics for one in record.results}
    # Nobody knows how they end after a and b.
    assert (said["a"], said["x"]) == ((), ())
    assert said["c"][0].startswith("ran alone, and not after the tests before it, since of these: ")
    assert "boom" in said["c"][0]
    assert [use.units for use in record.evidence.guests] == [
        ("ext4-dax/s.p",),
        ("ext4-dax/s.p.c", "ext4-dax/s.p.d", "ext4-dax/s.q"),
    ]


def test_a_test_with_the_name_of_its_program(make_job: MakeJob) -> None:
    """Its pass is none of the test in which the guest died, and it does not run again."""
    script = Script(("p", "b", "c"), {"b": "panic"})
    record = run_job(make_job({"p": script}))
    ends = [(one.test, one.status.value) for one in record.results]
    assert ends == [("p", "pass"), ("b", "crash"), ("c", "pass")]
    assert script.ran == ["p", "b", "c"]


def test_what_killed_a_program_is_known(make_job: MakeJob, stage: Stage) -> None:
    output = "KTAP version 1\n1..2\nok 1 a\n"
    stage.answers["/lab/p"] = lambda *_: CommandResult(139, output, "", 0.0)
    record = run_job(make_job({"p": Script(("a", "b"))}))
    signals = {one.test: (one.status.value, one.signal) for one in record.results}
    assert signals["a"] == ("pass", "")
    assert signals["p"] == ("error", "SIGSEGV")


def test_what_a_test_says_of_itself_is_kept(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Judged("a", Status.ERROR, "TBROK: no memory", broke_off="TBROK")
    monkeypatch.setattr("lab.suites.output.ktap.judge", lambda *_, **__: (broken,))
    (found,) = run_job(make_job({"p": Script(("a",))})).results
    assert (found.test, found.broke_off, found.has_word) == ("a", "TBROK", True)


def test_each_killer_costs_itself(make_job: MakeJob, stage: Stage) -> None:
    script = Script(ABC, {"a": "panic", "c": "panic"})
    record = run_job(make_job({"p": script}, EXT4, XFS))
    for filesystem in ("ext4-dax", "xfs-dax"):
        found = statuses(record.results, filesystem)
        assert found == {"a": "crash", "b": "pass", "c": "crash", "d": "pass"}


def test_hang_costs_one_test(make_job: MakeJob) -> None:
    record = run_job(make_job({"p": Script(ABC, {"c": "hang"})}, program_s=0.3))
    assert statuses(record.results) == {"a": "pass", "b": "pass", "c": "timeout", "d": "pass"}
    assert message(record, "c").startswith("was still running at its deadline")


@pytest.mark.parametrize(("share", "status"), [(0.3, "timeout"), (0.9, "error")])
def test_what_is_late_since_the_host_is_busy(
    make_job: MakeJob, stage: Stage, share: float, status: str
) -> None:
    """It waited for a CPU for most of its time: its deadline says nothing of the kernel."""
    stage.times = lambda: {1: Times(0.0, share * time.monotonic())}
    record = run_job(make_job({"p": Script(ABC, {"c": "hang"})}, program_s=0.3))
    assert statuses(record.results) == {"a": "pass", "b": "pass", "c": status, "d": "pass"}
    busy = "the host was too busy to tell: of 0 s QEMU waited 0 s for a CPU"
    assert (busy in message(record, "c")) == (status == "error")


@pytest.mark.parametrize(("marks", "lists"), [(True, False), (False, False), (False, True)])
def test_what_nobody_can_name_is_counted(
    make_job: MakeJob, stage: Stage, marks: bool, lists: bool
) -> None:
    """A program that marks no tests is not asked for their names: it may run instead."""
    record = run_job(make_job({"p": Script(ABC, {"b": "panic"}, marks, lists)}))
    assert len(record.results) == 4
    assert statuses(record.results)["b" if marks else "p"] == "crash"
    assert unrun(record) == ["p (test 3 of 4)", "p (test 4 of 4)"]
    assert "did not run: " in message(record, "p (test 4 of 4)")
    # Only to be asked for names another guest is worth it.
    assert len(stage.made) == (2 if marks else 1)


def test_a_list_without_what_ran_is_no_list(make_job: MakeJob, stage: Stage) -> None:
    """A program that does not know -l runs then: what it says is no list of its tests."""
    stage.answers["-l"] = lambda *_: CommandResult(0, "c\nd\n", "", 0.0)
    script = Script(ABC, {"b": "panic"})
    record = run_job(make_job({"p": script}))
    assert unrun(record) == ["p (test 3 of 4)", "p (test 4 of 4)"]
    assert script.ran == ["a", "b"]


def test_program_that_stops_early_is_counted(make_job: MakeJob, stage: Stage) -> None:
    record = run_job(make_job({"p": Script(ABC, {"b": "bail"})}))
    assert len(stage.made) == 1
    assert statuses(record.results)["p"] == "error"
    assert unrun(record) == ["p (test 3 of 4)", "p (test 4 of 4)"]
    assert "bailed out: no disk" in message(record, "p (test 3 of 4)")


def test_stall_is_told_and_ended_at_once(make_job: MakeJob) -> None:
    words: list[str] = []
    job = make_job({"p": Script(ABC, {"b": "stall"})}, program_s=60.0)
    record = run_job(job, on_word=words.append)
    assert words == ["mine: b: RCU stall in stall_inner"]
    assert statuses(record.results) == {"a": "pass", "b": "timeout", "c": "pass", "d": "pass"}
    assert message(record, "b").startswith("rcu-stall: RCU stall in stall_inner; did not go on")
    assert "deadlines.stall (0.15 s)" in message(record, "b")
    assert "stall_caller" in "\n".join(
        next(one.diagnostics for one in record.results if one.test == "b")
    )


def test_stall_that_ends_is_no_hang(make_job: MakeJob, stage: Stage) -> None:
    record = run_job(make_job({"p": Script(ABC, {"b": "stumble"})}, stall_s=30.0))
    assert statuses(record.results) == {"a": "pass", "b": "crash", "c": "pass", "d": "pass"}
    assert len(stage.made) == 1
    assert all(one.duration_s > 0 for one in record.results)


def test_guest_that_went_on_has_its_time(make_job: MakeJob, stage: Stage) -> None:
    script = Script(ABC, {"a": "stumble", "b": "slow"})
    record = run_job(make_job({"p": script}, stall_s=0.3, program_s=60.0))
    assert statuses(record.results) == {"a": "crash", "b": "pass", "c": "pass", "d": "pass"}
    assert len(stage.made) == 1


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_stall_of_a_host_that_is_busy(make_job: MakeJob, stage: Stage, share: float) -> None:
    """No crash of the kernel's, and no pass either; a third of the time is too much to take."""
    spent = iter(range(0, 10**9, 30))
    stage.times = lambda: {1: Times(share * (waited := next(spent)), waited)}
    record = run_job(make_job({"p": Script(ABC, {"c": "stumble"})}, stall_s=0.1))
    assert statuses(record.results)["c"] == "error"
    assert "the host was too busy to tell: of the last 20 s QEMU waited " in message(record, "c")
    assert len(stage.made) == 1


def test_same_hang_twice_ends_the_job(make_job: MakeJob, stage: Stage) -> None:
    stalls = {"b": "stall", "c": "stall"}
    job = make_job({"p": Script(ABC, stalls), "q": Script(("x",))}, EXT4, XFS, program_s=60.0)
    record = run_job(job)
    assert statuses(record.results) == {
        "a": "pass",
        "b": "timeout",
        "c": "timeout",
        "d": "error",
        "q": "error",
    }
    assert statuses(record.results, "xfs-dax") == {"p": "error", "q": "error"}
    assert unrun(record) == ["d", "q", "p", "q"]
    said = "did not run: the same hang came twice (RCU stall in stall_inner)"
    assert message(record, "d") == said
    assert len(stage.made) == 2


def test_other_hangs_do_not_end_the_job(make_job: MakeJob) -> None:
    stalls = {"a": "stall", "c": "stall-two"}
    record = run_job(make_job({"p": Script(ABC, stalls)}, program_s=60.0))
    assert statuses(record.results) == {"a": "timeout", "b": "pass", "c": "timeout", "d": "pass"}


def test_hang_that_is_expected_does_not_end_the_job(make_job: MakeJob) -> None:
    foretold = Expectation(tests=("b", "c"), status=Status.TIMEOUT, reason="known")
    stalls = {"b": "stall", "c": "stall"}
    record = run_job(make_job({"p": Script(ABC, stalls)}, program_s=60.0, expect=(foretold,)))
    assert statuses(record.results) == {"a": "pass", "b": "timeout", "c": "timeout", "d": "pass"}


def test_program_that_hangs_twice_is_given_up_alone(make_job: MakeJob, stage: Stage) -> None:
    scripts = {"p": Script(ABC, {"b": "hang"}), "q": Script(("x",))}
    record = run_job(make_job(scripts, EXT4, XFS, program_s=0.2))
    xfs = statuses(record.results, "xfs-dax")
    assert unrun(record) == ["p (test 3 of 4)", "p (test 4 of 4)"]
    assert xfs == {"a": "pass", "b": "timeout", "x": "pass"} | dict.fromkeys(unrun(record), "error")
    assert len(stage.made) == 3


def test_guest_that_oopsed_is_used_no_more(make_job: MakeJob, stage: Stage) -> None:
    record = run_job(make_job({"p": Script(ABC, {"b": "oops"}), "q": Script(("x",))}, stall_s=9.0))
    assert statuses(record.results) == {
        "a": "pass",
        "b": "crash",
        "c": "pass",
        "d": "pass",
        "x": "pass",
    }
    assert len(stage.made) == 2


def test_max_fail(make_job: MakeJob) -> None:
    scripts = {"p": Script(ABC, {"b": "fail"}), "q": Script(("x",))}
    record = run_job(make_job(scripts, EXT4, XFS, max_fail=1))
    assert statuses(record.results) == {
        "a": "pass",
        "b": "fail",
        "c": "pass",
        "d": "pass",
        "q": "error",
    }
    assert unrun(record) == ["q", "p", "q"]
    assert "--max-fail" in record.results[-1].message


def test_expected_failures_are_none_for_max_fail(make_job: MakeJob) -> None:
    known = Expectation(tests=("b",), status=Status.FAIL, reason="known")
    scripts = {"p": Script(ABC, {"b": "fail"}), "q": Script(("x",))}
    record = run_job(make_job(scripts, max_fail=1, expect=(known,)))
    assert unrun(record) == []


def test_interrupt_keeps_what_ended(make_job: MakeJob) -> None:
    scripts = {"p": Script(ABC, {"c": "interrupt"}), "q": Script(("x",))}
    told: list[TestResult] = []
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job(scripts, EXT4, XFS), told.append)
    record = stop.value.record
    assert (record.interrupted, str(record.error)) == (True, "interrupted")
    assert statuses(record.results) == {
        "a": "pass",
        "b": "pass",
        "p (test 3 of 4)": "error",
        "p (test 4 of 4)": "error",
        "q": "error",
    }
    assert len(unrun(record)) == 5
    assert tuple(told) == record.results


def test_a_test_may_say_interrupted_itself(make_job: MakeJob) -> None:
    """It is that test's own word, and no sign that the lab was."""
    says = "a # ERROR interrupted"
    scripts = {"p": Script((says, "b", "c"), {"b": "interrupt"})}
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job(scripts))
    record = stop.value.record
    assert [(one.test, one.message, one.unrun) for one in record.results] == [
        ("a", "interrupted", None),
        ("p (test 2 of 3)", "did not run: interrupted", Unrun.INTERRUPTED),
        ("p (test 3 of 3)", "did not run: interrupted", Unrun.INTERRUPTED),
    ]


def test_interrupt_keeps_what_the_kernel_complained_of(make_job: MakeJob) -> None:
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job({"p": Script(ABC, {"b": "interrupt-stall"})}))
    record = stop.value.record
    assert statuses(record.results) == {
        "a": "pass",
        "b": "crash",
        "p (test 3 of 4)": "error",
        "p (test 4 of 4)": "error",
    }
    assert message(record, "b").startswith("rcu-stall: RCU stall in inner; ")


def test_a_mistake_of_ours_is_an_error_of_all_that_it_cost(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: StallWatch) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(StallWatch, "looking", broken)
    record = run_job(make_job({"p": Script(ABC), "q": Script(ABC)}))
    assert statuses(record.results) == {"p": "error", "q": "error"}
    assert "the lab itself failed: RuntimeError: a mistake" in message(record, "p")


def test_a_mistake_in_judging_one_program_loses_it_no_result(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(name: str, *rest: object, **more: object) -> object:
        if name == "p":
            raise ZeroDivisionError
        return judge(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("lab.suites.output.ktap.judge", judged)
    record = run_job(make_job({"p": Script(ABC), "q": Script(ABC)}))
    found = statuses(record.results)
    assert found["p"] == "error"
    assert [found[name] for name in ("a", "b", "c", "d")] == ["pass"] * 4


def test_a_log_that_cannot_be_read_is_no_good_end(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All had run, and what the kernel said at last is not known: an error of the job."""

    def lost(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lab.execution.group_run.keep_kernel_log", lost)
    record = run_job(make_job({"p": Script(ABC)}))
    assert set(statuses(record.results).values()) == {"pass"}
    assert record.error is not None
    assert "No space left on device" in str(record.error)


def test_a_record_that_cannot_be_made_costs_its_job_alone(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise KeyError("release")

    monkeypatch.setattr(Findings, "evidence", lost)
    record = run_job(make_job({"p": Script(ABC)}))
    assert record.error is not None
    assert "KeyError: 'release'" in str(record.error)
    assert statuses(record.results) == {"p": "error"}
