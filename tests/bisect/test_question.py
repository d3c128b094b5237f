# SPDX-License-Identifier: GPL-2.0-only
"""What a run's record shows of a question, and that what was not earned is no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.bisect.of_build import OfBoot, OfBuild
from lab.bisect.of_complaint import OfComplaint
from lab.bisect.of_metric import OfMetric, parse_threshold
from lab.bisect.of_test import OfTest
from lab.bisect.question import Reference, judge
from lab.bisect.signature import recurring
from lab.bisect.told import Answer, Seen, Side, Sight
from lab.errors import InfrastructureError, UserError
from lab.model.complaint import Complaint, Kind
from lab.model.metric import Metric
from lab.model.records import GuestUse, JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from tests.results.made import EVIDENCE, job, noted, result, run

OOPS = Complaint(Kind.OOPS, "oops in bar", fatal=True)


def booted(*results: TestResult, **more: Any) -> JobRecord:
    made = job(*results, **more)
    return replace(made, evidence=replace(EVIDENCE, guests=(GuestUse("", "", ()),)))


def ran(test: str = "mmap", status: Status = Status.PASS, **more: Any) -> TestResult:
    return result(test, status, **{"program": "mmap", **more})


def _sights(recorded: RunRecord, pattern: str | None = "mmap") -> list[Sight]:
    return [one.sight for one in OfTest(pattern).look(recorded)]


@pytest.mark.parametrize(
    ("recorded", "sight"),
    [
        (run(booted(ran())), Sight.PASSES),
        (run(booted(ran(status=Status.FAIL))), Sight.FAILS),
        # What lab.toml expects says nothing of which kernel it fails on.
        (run(booted(ran(status=Status.FAIL, expected=Status.FAIL))), Sight.FAILS),
        (run(booted(ran(status=Status.CRASH))), Sight.FAILS),
        (run(booted(ran(status=Status.TIMEOUT))), Sight.FAILS),
        (run(booted(ran(status=Status.ERROR, signal="SIGBUS"))), Sight.FAILS),
        (run(booted(ran(), ran("mlock", Status.FAIL))), Sight.PASSES),
        (run(booted(ran(), ran("mlock", Status.CRASH))), Sight.FAILS),
        # Nothing of it was tested.
        (run(booted(ran("mlock"))), Sight.UNTESTABLE),
        (run(booted(ran(status=Status.SKIP))), Sight.UNTESTABLE),
        (run(booted(ran(status=Status.ERROR, broke_off="TBROK"))), Sight.UNTESTABLE),
        (run(booted(ran(), ran("mlock", Status.ERROR, broke_off="TBROK"))), Sight.UNTESTABLE),
        (run(job(ran(status=Status.CRASH))), Sight.UNTESTABLE),
        (run(job(ran(status=Status.TIMEOUT))), Sight.UNTESTABLE),
        (run(job(error="mm/gup.c: does not compile", users_fault=True)), Sight.UNTESTABLE),
        # Nobody's doing but ours.
        (run(booted(ran(status=Status.ERROR))), Sight.OURS),
        (run(booted(ran(), ran("mlock", Status.ERROR))), Sight.OURS),
        (run(booted(ran(status=Status.ERROR, users_fault=True))), Sight.OURS),
        (run(job(error="no space left")), Sight.OURS),
        (run(booted(ran(), error="the evidence cannot be kept")), Sight.OURS),
        (run(booted(ran(), ran("b", Status.ERROR, unrun=Unrun.LOST))), Sight.OURS),
        (run(booted(ran()), finished=None), Sight.OURS),
        (run(booted(ran()), troubles=("results.db cannot be written",)), Sight.OURS),
        (run(), Sight.OURS),
    ],
)
def test_what_a_run_shows_of_a_test(recorded: RunRecord, sight: Sight) -> None:
    assert _sights(recorded) == [sight]


def test_each_repetition_is_a_trial() -> None:
    ends = (Status.PASS, Status.PASS, Status.FAIL)
    recorded = run(booted(*(ran(status=status) for status in ends)))
    assert _sights(recorded) == [Sight.PASSES, Sight.PASSES, Sight.FAILS]


def test_passes_beside_our_own_trouble_do_not_count_and_failures_do() -> None:
    ends = (Status.PASS, Status.FAIL, Status.ERROR)
    recorded = run(booted(*(ran(status=status) for status in ends)))
    assert _sights(recorded) == [Sight.FAILS, Sight.OURS]


def test_what_was_not_run_since_one_failed_is_nobodys_trouble() -> None:
    recorded = run(booted(ran(status=Status.FAIL), ran("b", Status.ERROR, unrun=Unrun.ENOUGH)))
    assert _sights(recorded) == [Sight.FAILS]


def _signature(*results: TestResult, **more: Any) -> tuple[str, ...]:
    (seen,) = OfTest("mmap").look(run(booted(*results, **more)))
    return seen.signature


def test_a_failure_is_the_same_with_other_numbers() -> None:
    one, other, another = (
        _signature(ran(status=Status.FAIL, message=message))
        for message in ("3 of 16 pages at 0x7f00aa00", "9 of 32 pages at 0x7fbb0000", "EFAULT")
    )
    assert one == other == ("mmap: fail: N of N pages at N",)
    assert another != one


def test_a_folder_for_a_moment_tells_no_failure_from_another() -> None:
    one, other = (
        _signature(ran(status=Status.FAIL, message=f"no {folder}/file"))
        for folder in ("/tmp/labAbc", "/tmp/labXyz")
    )
    assert one == other == ("mmap: fail: no PATH",)


@pytest.mark.parametrize(
    "more", [{"benign": "busy"}, {"filesystem": "xfs-dax"}, {"program": "mlock"}, {"test": "other"}]
)
def test_what_the_kernel_said_of_something_else_is_not_the_crash(more: dict[str, str]) -> None:
    placed = noted(**{"complaint": OOPS, "program": "mmap", "filesystem": "ext4-dax", **more})
    said = _signature(ran(status=Status.CRASH, message="dead"), complaints=(placed,))
    assert said == ("mmap: crash: dead",)


def test_a_crash_is_known_by_what_the_kernel_said_whichever_test_was_there() -> None:
    complaint = noted(complaint=OOPS, program="mmap", filesystem="ext4-dax")
    one = _signature(ran(status=Status.CRASH, message="oops: a"), complaints=(complaint,))
    other = _signature(ran("mmap.b", Status.CRASH, message="oops: b"), complaints=(complaint,))
    assert one == other == ("oops: oops in bar",)


def test_a_failure_is_judged_by_how_it_fails_at_the_end() -> None:
    question = OfTest("mmap")
    bad = Reference(Side.NEW, ("a", "b"))
    mended = Reference(Side.OLD, ("a", "b"))
    fails, otherwise = Seen(Sight.FAILS, "", ("b", "c")), Seen(Sight.FAILS, "", ("c",))
    assert judge(question, fails, bad) is Answer.NEW
    assert judge(question, fails, mended) is Answer.OLD
    assert judge(question, otherwise, bad) is Answer.OTHER
    assert judge(question, Seen(Sight.FAILS), bad) is Answer.OTHER
    assert judge(question, Seen(Sight.PASSES), bad) is Answer.OLD
    assert judge(question, Seen(Sight.PASSES), mended) is Answer.NEW
    assert judge(question, Seen(Sight.OURS), bad) is Answer.OURS
    assert judge(question, Seen(Sight.UNTESTABLE), bad) is Answer.UNTESTABLE


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        ((ran("a"), ran("b")), Answer.OLD),
        ((ran("a", Status.SKIP), ran("b")), Answer.OLD),
        ((ran("a"), ran("b", Status.SKIP, message="no MAP_SYNC")), Answer.UNTESTABLE),
        ((ran("a"), ran("b", Status.SKIP), ran("b", filesystem="xfs-dax")), Answer.UNTESTABLE),
        ((ran("a"), ran("b", Status.FAIL, message="lost")), Answer.NEW),
    ],
)
def test_what_fails_at_the_end_and_is_skipped_here_has_not_passed(
    results: tuple[TestResult, ...], answer: Answer
) -> None:
    question = OfTest("*")
    (fails,) = question.look(run(booted(ran("a"), ran("b", Status.FAIL, message="lost"))))
    reference = Reference(Side.NEW, fails.signature, failed=frozenset([fails.failed]))
    (seen,) = question.look(run(booted(*results)))
    assert judge(question, seen, reference) is answer
    assert answer is not Answer.UNTESTABLE or seen.why.startswith("b: skip")


def test_of_what_fails_together_one_that_passes_is_enough() -> None:
    failed = [ran("a", Status.FAIL), ran("b", Status.FAIL), ran("c")]
    (fails,) = OfTest().look(run(booted(*failed)))
    (passes,) = OfTest().look(run(booted(ran("a"), ran("b", Status.SKIP), ran("c"))))
    (neither,) = OfTest().look(run(booted(ran("a", Status.SKIP), ran("b", Status.SKIP), ran("c"))))
    reference = Reference(Side.NEW, fails.signature, failed=frozenset([fails.failed]))
    assert judge(OfTest(), passes, reference) is Answer.OLD
    assert judge(OfTest(), neither, reference) is Answer.UNTESTABLE


def test_a_test_that_is_skipped_shows_nothing_of_a_complaint_in_it() -> None:
    question = OfComplaint("WARNING in foo")
    warned = noted(filesystem="ext4-dax", program="mmap", test="a")
    (fails,) = question.look(run(booted(ran("a"), ran("b"), complaints=(warned,))))
    reference = Reference(Side.NEW, fails.signature, failed=frozenset([fails.failed]))
    for status, answer in ((Status.PASS, Answer.OLD), (Status.SKIP, Answer.UNTESTABLE)):
        (seen,) = question.look(run(booted(ran("a", status), ran("b"))))
        assert judge(question, seen, reference) is answer


def test_an_end_is_known_by_what_it_does_most_often() -> None:
    assert recurring([("a",), ("a", "b"), ("c",), ("a",)]) == ("a",)
    assert recurring([("a", "b"), ("a", "b")]) == ("a", "b")
    assert recurring([]) == ()


def test_what_fails_now_here_and_now_there_is_known_by_all_that_comes_again() -> None:
    first = [("a",)] * 5 + [("b",)] * 2 + [("a", "c")] * 2
    assert recurring([*first, ("d",)]) == ("a", "b", "c")
    assert recurring([*first, ("d",), *[("a",)] * 5]) == ("a",)


WARNING = noted().complaint


@pytest.mark.parametrize(
    ("recorded", "sight"),
    [
        (run(booted(ran(), complaints=(noted(),))), Sight.FAILS),
        (run(booted(ran(status=Status.FAIL))), Sight.PASSES),
        (run(booted(ran(), complaints=(noted(complaint=OOPS),))), Sight.FAILS),
        (run(booted(ran(), complaints=(noted(benign="busy", doubtful=True),))), Sight.OURS),
        (run(booted(ran(status=Status.SKIP))), Sight.UNTESTABLE),
        (run(job(ran(status=Status.CRASH))), Sight.UNTESTABLE),
        (run(job(error="no space left")), Sight.OURS),
        (run(booted(ran(), ran("b", Status.ERROR, unrun=Unrun.ENOUGH))), Sight.UNTESTABLE),
    ],
)
def test_what_a_run_shows_of_a_complaint(recorded: RunRecord, sight: Sight) -> None:
    (seen,) = OfComplaint("WARNING in foo").look(recorded)
    assert seen.sight is sight


@pytest.mark.parametrize(
    "title", ["WARNING in foo", "WARNING in *", "warning: WARNING in f*", "foo"]
)
def test_a_complaint_is_asked_for_by_its_title_or_with_its_kind(title: str) -> None:
    (seen,) = OfComplaint(title).look(run(booted(ran(), complaints=(noted(),))))
    assert seen.sight is Sight.FAILS


def test_a_complaint_that_is_not_the_one_asked_for_is_told() -> None:
    (seen,) = OfComplaint("WARNING in bar").look(run(booted(ran(), complaints=(noted(),))))
    assert (seen.sight, seen.why) == (Sight.PASSES, "it says warning: WARNING in foo")


def test_a_kernel_that_died_of_something_else_shows_nothing_of_a_complaint() -> None:
    (seen,) = OfComplaint("WARNING in foo").look(
        run(booted(ran(), complaints=(noted(complaint=OOPS),)))
    )
    assert judge(OfComplaint("x"), seen, Reference(Side.NEW, (str(WARNING),))) is Answer.OTHER


@pytest.mark.parametrize(
    ("text", "value", "reference", "beyond"),
    [
        ("ns > 2 x good", 201, 100.0, True),
        ("ns > 2 x good", 200, 100.0, False),
        ("ns > 2 \N{MULTIPLICATION SIGN} good", 201, 100.0, True),
        ("ns>2*good", 201, 100.0, True),
        ("ns > good", 101, 100.0, True),
        ("ns < 0.5 * good", 49, 100.0, True),
        ("ns > 1e3", 1001, None, True),
        ("ns > 2 x good", 201, None, False),
    ],
)
def test_a_threshold(text: str, value: float, reference: float | None, beyond: bool) -> None:
    assert parse_threshold(text).is_beyond(value, reference) is beyond


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ns",
        "ns >",
        "ns = 2",
        "ns > 2 x bad",
        "ns{a} > 2",
        "> 2",
        "ns > 1e999",
        "ns > 9e999 x good",
    ],
)
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_threshold(text)


def test_a_metric_is_the_median_of_its_own_labels() -> None:
    values = [("no", 10.0), ("no", 12.0), ("yes", 500.0), ("no", 90.0)]
    metrics = tuple(Metric("ns", (("populate", label),), value) for label, value in values)
    threshold = parse_threshold("ns{populate=no} > 2 x good")
    question = OfMetric("", threshold)
    (seen,) = question.look(run(booted(ran(metrics=metrics))))
    assert (seen.sight, seen.value) == (Sight.MEASURED, 12.0)
    (nothing,) = question.look(run(booted(ran())))
    assert nothing.sight is Sight.UNTESTABLE
    (ours,) = question.look(run(booted(ran(status=Status.ERROR, metrics=metrics))))
    assert ours.sight is Sight.OURS


def test_what_nothing_measured_is_told_with_what_could_be_asked_for() -> None:
    metrics = (
        Metric("ns", (("populate", "no"),), 1.0),
        Metric("ns", (), 2.0),
        Metric("s", (), 3.0),
    )
    look = OfMetric("", parse_threshold("ns{populate=maybe} > 2")).look
    (seen,) = look(run(booted(ran(metrics=metrics))))
    assert seen.why == "nothing measured ns{populate=maybe}, but ns{populate=no}, s"
    (seen,) = look(run(booted(ran())))
    assert seen.why == "nothing measured ns{populate=maybe}"


def test_a_build_that_fails_is_known_by_its_first_error() -> None:
    error = UserError("make failed", detail="CC mm/gup.o\nmm/gup.c:12:3: error: no member\nmore")
    seen = OfBuild().unbuilt(error)
    assert (seen.sight, seen.signature) == (Sight.FAILS, ("mm/gup.c:N:N: error: no member",))
    assert OfBuild().unbuilt(InfrastructureError("no space left")).sight is Sight.OURS
    assert OfBuild().built().sight is Sight.PASSES
    assert OfTest("mmap").unbuilt(error).sight is Sight.UNTESTABLE


def test_our_own_trouble_with_a_build_is_no_answer_to_any_question() -> None:
    threshold = parse_threshold("ns > 2")
    for question in (OfTest(), OfBoot(), OfComplaint("x"), OfMetric("", threshold), OfBuild()):
        assert question.unbuilt(InfrastructureError("no space left")).sight is Sight.OURS
        assert question.unbuilt(UserError("does not apply")).sight in (
            Sight.UNTESTABLE,
            Sight.FAILS,
        )


@pytest.mark.parametrize(
    ("recorded", "sight"),
    [
        (run(booted(ran(status=Status.FAIL))), Sight.PASSES),
        (run(job(ran(status=Status.CRASH, message="the guest died"))), Sight.FAILS),
        (run(job(ran(status=Status.TIMEOUT))), Sight.FAILS),
        (run(job(ran(status=Status.ERROR))), Sight.OURS),
        (run(job(error="no space left")), Sight.OURS),
        (run(), Sight.OURS),
    ],
)
def test_what_a_run_shows_of_a_boot(recorded: RunRecord, sight: Sight) -> None:
    (seen,) = OfBoot().look(recorded)
    assert seen.sight is sight
    assert seen.signature or sight is not Sight.FAILS


def test_an_error_is_the_same_on_each_workbench() -> None:
    """A second one, and another release's: else what fails alike there is skipped."""
    said = "/c/workbenches/{}/src/mm/gup.c:12:3: error: no member"
    seen = [
        OfBuild().unbuilt(UserError("make failed", detail=said.format(name)))
        for name in ("6.1-18d45197b162", "6.1-18d45197b162.2", "v6.6-0a")
    ]
    assert {one.signature for one in seen} == {("mm/gup.c:N:N: error: no member",)}


def test_where_several_errors_hide_each_other_each_is_that_it_does_not_build() -> None:
    question = OfBuild(however=True)
    seen = [question.unbuilt(UserError(f"error: {what}")) for what in ("no-pie", "ilog2")]
    assert seen[0].signature == seen[1].signature
    assert [one.why for one in seen] == ["error: no-pie", "error: ilog2"]
    assert question.unbuilt(InfrastructureError("no space left")).sight is Sight.OURS
