# SPDX-License-Identifier: GPL-2.0-only
"""Each patch on those before it: what is bad, what is not known, and how it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.analysis.step_verdict import KernelSteps, Step, Warnings, step_of, turned
from lab.analysis.verdict import TestVerdict, Verdict
from lab.build.warnings import Compiled, Warned
from lab.errors import ExitStatus, InfrastructureError, UserError
from lab.model.job_error import JobError
from lab.model.records import GuestUse, JobRecord
from lab.model.status import Status
from lab.report.steps import step_lines, steps_to_json
from tests.results.made import EVIDENCE, job, result

STEP = Step(2, "0002.patch", "mm: two", "6.1+s@2")
SEEN = Warnings((), ("mm/gup.o",))


def judged(verdict: Verdict, base: Status | None = None) -> TestVerdict:
    was = base or Status.PASS
    return TestVerdict("6.1", "ext4-dax", "mlock", "mlock.a", was, Status.PASS, verdict, "why")


PASSES = judged(Verdict.STILL_PASSING)
GOOD = replace(STEP, builds=True, boots=True, warnings=SEEN, tests=(PASSES,))


@pytest.mark.parametrize(
    ("step", "bad", "status"),
    [
        (GOOD, "", 0),
        (replace(GOOD, tests=()), "", 1),
        (replace(GOOD, tests=(judged(Verdict.FIXED),)), "", 0),
        (replace(STEP, builds=False, why="x"), "does not build", 1),
        (replace(STEP, builds=True, boots=False), "does not boot", 1),
        (replace(GOOD, warnings=Warnings(("x",), ("a.o",))), "adds a warning", 1),
        (replace(GOOD, tests=(judged(Verdict.REGRESSED),)), "breaks a test", 1),
        (replace(STEP, ours=True, why="no space"), "", 3),
        (replace(STEP, builds=True, ours=True, why="no QEMU"), "", 3),
        (replace(GOOD, warnings=Warnings(unknown="x")), "", 1),
        (replace(GOOD, tests=(judged(Verdict.INCONCLUSIVE),)), "", 1),
        (replace(GOOD, tests=(judged(Verdict.INCONCLUSIVE, Status.ERROR),)), "", 3),
    ],
)
def test_what_is_bad(step: Step, bad: str, status: int) -> None:
    steps = KernelSteps("6.1", (step, GOOD))
    assert (step.bad, steps.status) == (bad, status)
    last = list(step_lines("s", [steps]))[-1]
    assert last.startswith("  every patch") == (status == 0)
    assert bool(step.unclear) == (status != 0 and not bad)


def test_bad_counts_more_than_what_is_lost() -> None:
    steps = (replace(STEP, ours=True), replace(STEP, builds=False))
    assert KernelSteps("6.1", steps).status is ExitStatus.UNEXPECTED


def done(**evidence: object) -> JobRecord:
    return replace(job(result()), evidence=replace(EVIDENCE, **evidence))  # type: ignore[arg-type]


def test_what_a_record_says_of_a_step() -> None:
    ran = done(build_key="k", guests=(GuestUse("", "", ()),))
    assert (step_of(STEP, ran).builds, step_of(STEP, ran).boots) == (True, True)
    unbuilt = replace(done(build_key=""), error=JobError.of(UserError("no such type")))
    assert (step_of(STEP, unbuilt).builds, step_of(STEP, unbuilt).why) == (False, "no such type")
    ours = replace(unbuilt, error=JobError.of(InfrastructureError("no space")))
    assert (step_of(STEP, ours).builds, step_of(STEP, ours).ours) == (None, True)
    unbooted = done(build_key="k", guests=())
    for status in (Status.CRASH, Status.TIMEOUT):
        panics = replace(unbooted, results=(result(status=status, message="it died"),))
        found = step_of(STEP, panics)
        assert (found.builds, found.boots, found.ours) == (True, False, False)
        assert (found.bad, found.why) == ("does not boot", "it died")
    # QEMU was killed, or no program of it compiles: nobody knows, then, what the kernel does.
    for users in (False, True):
        lost = replace(unbooted, results=(result(status=Status.ERROR, users_fault=users),))
        found = step_of(STEP, lost)
        assert (found.builds, found.boots, found.ours, found.bad) == (True, None, not users, "")
    no_qemu = replace(panics, error=JobError.of(InfrastructureError("no QEMU")))
    assert (step_of(STEP, no_qemu).boots, step_of(STEP, no_qemu).ours) == (None, True)
    assert step_of(STEP, None).ours


def test_tests_are_compared_between_steps_of_one_series_alone() -> None:
    beneath = (("under", "u"),)
    before = done(build_key="a", series_digests=(*beneath, ("s@1", "1")))
    after = done(build_key="b", series_digests=(*beneath, ("s@2", "2")))
    good = {each.verdict for each in turned(before, after, beneath, "s")}
    assert Verdict.INCONCLUSIVE not in good
    first = done(build_key="c", series_digests=beneath)
    assert {each.verdict for each in turned(first, after, beneath, "s")} == good
    for under, own in (("other", "s@2"), ("under", "t@2"), ("other", "t@2")):
        wrong = done(build_key="b", series_digests=((under, "u"), (own, "2")))
        found = {each.verdict for each in turned(before, wrong, beneath, "s")}
        assert found == {Verdict.INCONCLUSIVE}


def test_a_table_of_80_columns() -> None:
    many = tuple(
        replace(judged(verdict), test=f"t{n}")
        for verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.FIXED)
        for n in range(67)
    )
    long = replace(GOOD, subject="mm: " + "a long subject " * 9, tests=many)
    unseen = replace(GOOD, number=10, warnings=Warnings((), (), ("Documentation/x.rst",), 1))
    lines = list(step_lines("s", [KernelSteps("6.1", (Step(0, "", "", "6.1"), long, unseen))]))
    assert max(map(len, lines[1:5])) <= 80
    assert "67 regressed, …" in lines[3]
    assert any("not seen" in line for line in lines)
    assert "        compiled nowhere with this config: Documentation/x.rst" in lines


def test_what_did_not_boot_is_compared_with_nothing() -> None:
    dead = replace(GOOD, boots=False, tests=(), since=0, why="it died")
    after = replace(GOOD, number=3, since=1)
    lines = list(step_lines("s", [KernelSteps("6.1", (dead, after))]))
    compared = [line for line in lines if "compared with" in line]
    assert compared == ["        compared with patch 1, the last before it that was tested"]


def test_json_has_all_of_it() -> None:
    found = KernelSteps("6.1", (replace(GOOD, tests=(judged(Verdict.FIXED),)),))
    document = steps_to_json("s", [found], "run")
    (row,) = document["kernels"][0]["steps"]
    assert (row["builds"], row["boots"], row["bad"]) == (True, True, "")
    assert row["turned"][0]["verdict"] == "fixed"
    assert row["warnings"]["compiled"] == ["mm/gup.o"]


def test_a_warning_that_only_moved_is_not_new() -> None:
    old = Compiled((Warned("mm/gup.c", 3, "unused x"), Warned("mm/a.h", 1, "odd")))
    moved = Compiled((Warned("mm/gup.c", 9, "unused x"), Warned("mm/b.c", 1, "elsewhere")))
    assert moved.more_than(old, ["mm/gup.c"]) == ()
    twice = Compiled((*moved.warned, Warned("mm/gup.c", 12, "unused x")))
    assert [str(one) for one in twice.more_than(old, ["mm/gup.c"])] == [
        "mm/gup.c:12: warning: unused x"
    ]
    assert twice.more_than(old, ["mm/b.c"]) == (Warned("mm/b.c", 1, "elsewhere"),)
