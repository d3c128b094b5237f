# SPDX-License-Identifier: GPL-2.0-only
"""Nights in a row: what is told, what is not told again, and what nothing may hide."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis.series_verdict import KernelVerdict
from lab.analysis.verdict import TestVerdict, Verdict
from lab.errors import ExitStatus
from lab.model.complaint import Complaint
from lab.model.complaint import Kind as Complains
from lab.model.job_name import Around
from lab.model.records import GuestUse, JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Outcome, Status
from lab.model.test_key import TestKey
from lab.model.variant import Variant
from lab.nightly.baseline import put_together
from lab.nightly.judgement import (
    Judgement,
    Kind,
    VerdictChange,
    judge_night,
    judge_verdicts,
    remember,
)
from lab.nightly.message import text_of
from lab.nightly.night import Night
from lab.nightly.rerun import doubtful, rerun_plan, together
from lab.nightly.state import Flake, Memory
from lab.plan import JobPlan, Plan
from tests.results.made import EVIDENCE, job, result, run

PASS, FAIL, SKIP = Status.PASS, Status.FAIL, Status.SKIP
CRASH, TIMEOUT, ERROR = Status.CRASH, Status.TIMEOUT, Status.ERROR


USE = GuestUse("guest", "", ("ext4-dax/mlock.mlock",))


def made(*results: TestResult, build: str = "b1", error: str | None = None) -> JobRecord:
    evidence = replace(EVIDENCE, build_key=build, guests=(USE,))
    return replace(job(*results, error=error), evidence=evidence)


def key(test: str) -> TestKey:
    return TestKey("6.1", "default", "default", "ext4-dax", "mlock", test)


class Nights:
    """A row of nights, each with what it knows of those before."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRecord] = {}
        self.memory = Memory()
        self.doubted: tuple[TestKey, ...] = ()

    def night(
        self, *jobs: JobRecord, reruns: Iterable[JobRecord] = (), path: Path | None = None
    ) -> Judgement:
        number = len(self.runs)
        night = run(*jobs, id=f"n{number}")
        again = run(*reruns, id=f"r{number}") if reruns else None
        before = None
        if self.memory.baseline:
            before = put_together(self.memory.baseline, self.runs, self.memory.known)
        past = before.run if before else replace(night, jobs=())
        self.doubted = doubtful(past, night)
        tonight = together(night, again, self.doubted)
        judgement = judge_night(before, tonight, self.memory)
        self.memory = remember(self.memory, before, night, again, judgement)
        if path is not None:
            self.memory.save(path)
            self.memory = Memory.load(path)
        self.runs |= {one.id: one for one in (night, again) if one}
        return judgement


@pytest.fixture
def nights() -> Nights:
    return Nights()


def told(judgement: Judgement) -> list[tuple[str, Kind]]:
    return [(found.key.test, found.kind) for found in judgement.findings if found.news]


def one(status: Status, test: str = "t", **more: object) -> JobRecord:
    """A night with one test, and another that always passes."""
    return made(result("bystander"), result(test, status, **more))


def test_nothing_changed(nights: Nights) -> None:
    assert nights.night(one(FAIL)).is_news
    for _ in range(2):
        judgement = nights.night(one(FAIL))
        assert not judgement.is_news
        assert judgement.surprises == 1


def test_regression_is_repeated_told_once_and_fixed(nights: Nights) -> None:
    nights.night(one(PASS))
    worse = nights.night(one(FAIL), reruns=[one(FAIL), one(FAIL)])
    assert nights.doubted == (key("t"),)
    assert told(worse) == [("t", Kind.REGRESSED)]
    assert str(worse.findings[0].rate) == "3 of 3 failed"
    assert not nights.night(one(FAIL)).is_news
    assert told(nights.night(one(PASS))) == [("t", Kind.FIXED)]
    assert not nights.night(one(PASS)).is_news


@pytest.mark.parametrize("status", [FAIL, CRASH, TIMEOUT])
@pytest.mark.parametrize("reruns", [(PASS, PASS), (FAIL, PASS)])
def test_flake(nights: Nights, status: Status, reruns: tuple[Status, ...]) -> None:
    nights.night(one(PASS))
    judgement = nights.night(one(status), reruns=map(one, reruns))
    assert told(judgement) == [("t", Kind.FLAKY)]
    bad = 1 + reruns.count(FAIL)
    assert str(judgement.findings[0].rate) == f"{bad} of 3 failed"
    assert judgement.surprises == 1


def test_flake_is_no_news_the_next_time(nights: Nights, tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    nights.night(one(PASS), path=path)
    nights.night(one(FAIL), reruns=[one(PASS), one(PASS)], path=path)
    assert not nights.night(one(PASS), path=path).is_news
    again = nights.night(one(FAIL), reruns=[one(PASS), one(FAIL)], path=path)
    assert told(again) == []
    assert again.of(Kind.FLAKY)[0].why == "1 of 4 failed before tonight"
    assert again.surprises == 1
    assert str(nights.memory.flaky[key("t")]) == "3 of 7 failed"


def test_flake_that_fails_for_good_is_a_regression(nights: Nights) -> None:
    nights.night(one(PASS))
    nights.night(one(FAIL), reruns=[one(PASS), one(PASS)])
    worse = nights.night(one(FAIL), reruns=[one(FAIL), one(FAIL)])
    assert told(worse) == [("t", Kind.REGRESSED)]
    assert worse.findings[0].why.startswith("was flaky: 1 of 3 failed")
    assert not nights.night(one(FAIL)).is_news
    assert told(nights.night(one(PASS))) == [("t", Kind.FIXED)]


def test_flake_that_is_skipped_is_no_regression(nights: Nights) -> None:
    nights.night(one(PASS))
    nights.night(one(FAIL), reruns=[one(PASS)])
    assert told(nights.night(one(SKIP), reruns=[one(SKIP)])) == []


def test_flake_that_is_gone_with_a_dead_guest_is_untested(nights: Nights) -> None:
    nights.night(whole(result("a"), result("t")))
    nights.night(whole(result("a"), result("t", FAIL)), reruns=[whole(result("a"), result("t"))])
    dead = whole(result("a"), result("mlock", CRASH))
    judgement = nights.night(dead, reruns=[dead])
    assert told(judgement) == [("mlock", Kind.REGRESSED), ("t", Kind.UNTESTED)]


def test_flake_that_is_gone_is_not_told(nights: Nights) -> None:
    nights.night(whole(result("a"), result("t")))
    nights.night(whole(result("a"), result("t", FAIL)), reruns=[whole(result("a"), result("t"))])
    assert told(nights.night(whole(result("a")))) == []


def test_flake_in_an_error_is_untested(nights: Nights) -> None:
    nights.night(one(PASS))
    nights.night(one(FAIL), reruns=[one(PASS)])
    assert told(nights.night(one(ERROR), reruns=[one(ERROR)])) == [("t", Kind.UNTESTED)]
    # What is known of it is not forgotten with that, and no night went by for it.
    assert nights.memory.flaky == {key("t"): Flake(1, 2)}


@pytest.mark.parametrize("worse", [CRASH, TIMEOUT])
def test_from_fail_to_worse_is_told(nights: Nights, worse: Status) -> None:
    nights.night(one(FAIL))
    judgement = nights.night(one(worse), reruns=[one(worse)])
    assert nights.doubted == (key("t"),)
    assert told(judgement) == [("t", Kind.CHANGED)]
    assert judgement.surprises == 1
    assert not nights.night(one(worse)).is_news


def test_known_flake_from_fail_to_crash_is_told(nights: Nights) -> None:
    nights.night(one(FAIL))
    nights.night(one(PASS), reruns=[one(FAIL)])
    nights.memory = replace(nights.memory, flaky={key("t"): Flake(2, 4)})
    judgement = nights.night(one(CRASH), reruns=[one(CRASH)])
    assert told(judgement) == [("t", Kind.REGRESSED)]
    assert judgement.findings[0].why.startswith("was flaky: 2 of 4 failed")


def test_what_is_told_comes_in_order(nights: Nights) -> None:
    first = (result("a", FAIL), result("b"), result("c"), result("d"), result("e"))
    last = (
        result("a"),
        result("b", ERROR),
        result("c", FAIL, expected=FAIL),
        result("d", FAIL),
        result("f"),
    )
    nights.night(whole(*first))
    judgement = nights.night(whole(*last), reruns=[whole(*last)])
    assert told(judgement) == [
        ("d", Kind.REGRESSED),
        ("c", Kind.CHANGED),
        ("f", Kind.NEW),
        ("a", Kind.FIXED),
        ("b", Kind.UNTESTED),
        ("e", Kind.UNTESTED),
    ]


def test_same_kernel_and_build_is_said(nights: Nights) -> None:
    same = "the kernel and its build are the same as before"
    nights.night(one(PASS))
    worse = nights.night(one(FAIL), reruns=[one(FAIL)])
    assert worse.findings[0].why == same
    # Not where lab.toml alone is another.
    (again,) = nights.night(one(FAIL, expected=FAIL)).findings
    assert again.why == "lab.toml expected pass, and now fail"
    (changed,) = nights.night(one(CRASH), reruns=[one(CRASH)]).findings
    assert (changed.kind, changed.why) == (Kind.CHANGED, same)
    (fixed,) = nights.night(one(PASS)).findings
    assert (fixed.kind, fixed.why) == (Kind.FIXED, same)
    other = replace(one(FAIL), evidence=replace(EVIDENCE, build_key="b2", guests=(USE,)))
    assert same not in nights.night(other).findings[0].why


def test_why_an_untested_one_has_no_result(nights: Nights) -> None:
    nights.night(one(PASS))
    judgement = nights.night(one(ERROR, message="no space"), reruns=[one(ERROR)])
    assert judgement.of(Kind.UNTESTED)[0].why == "no space"
    nights.night(one(PASS))
    lost = nights.night(made(error="no disk"))
    assert {found.why for found in lost.of(Kind.UNTESTED)} == {"n4 could not do the job: no disk"}


def test_verdicts_are_remembered(nights: Nights) -> None:
    change = VerdictChange("6.1", "", verdict(Outcome.FIXED))
    memory = replace(Memory(), verdicts={"6.1": "regressed", "4.1": "fixed"})
    judgement = Judgement((), verdicts=(change,))
    after = remember(memory, None, run(one(PASS), id="n9"), None, judgement)
    assert after.verdicts == {"6.1": "fixed", "4.1": "fixed"}
    assert after.baseline == "n9"
    assert judge_verdicts((verdict(Outcome.FIXED),), judgement, after) == ()


def test_a_repetition_has_the_last_word_where_the_night_has_none(nights: Nights) -> None:
    night, again = run(one(ERROR), id="n9"), run(one(PASS), id="r9")
    after = remember(Memory(), None, night, again, Judgement(()))
    assert after.known == {key("t"): "r9"}


def test_flake_of_the_first_night(nights: Nights) -> None:
    first = nights.night(one(FAIL), reruns=[one(PASS), one(PASS)])
    assert ("t", Kind.FLAKY) in told(first)
    assert first.findings[0].why == ""
    assert nights.memory.known == {key("t"): ""}
    assert not nights.night(one(PASS)).is_news
    worse = nights.night(one(FAIL), reruns=[one(FAIL), one(FAIL)])
    assert told(worse) == [("t", Kind.REGRESSED)]


def test_flake_that_is_seen_no_more_is_forgotten(nights: Nights) -> None:
    nights.night(one(PASS))
    nights.night(one(FAIL), reruns=[one(PASS)])
    for _ in range(10):
        assert not nights.night(one(PASS)).is_news
    assert nights.memory.flaky == {}
    assert told(nights.night(one(FAIL), reruns=[one(PASS)])) == [("t", Kind.FLAKY)]


def test_an_error_is_not_the_kernels(nights: Nights) -> None:
    nights.night(one(PASS))
    judgement = nights.night(one(ERROR), reruns=[one(ERROR), one(ERROR)])
    assert told(judgement) == [("t", Kind.UNTESTED)]
    assert judgement.surprises == 0
    assert not judgement.findings[0].surprising
    again = nights.night(one(ERROR))
    assert not again.is_news
    assert again.of(Kind.UNTESTED)


@pytest.mark.parametrize("error", ["in a test", "in the job"])
def test_an_error_hides_no_regression(nights: Nights, error: str) -> None:
    """Pass, error, fail: compared with the night before alone it would be new."""
    nights.night(one(PASS))
    for _ in range(2):
        nights.night(one(ERROR) if error == "in a test" else made(error="no disk"))
    judgement = nights.night(one(FAIL), reruns=[one(FAIL), one(FAIL)])
    assert ("t", Kind.REGRESSED) in told(judgement)


def test_an_error_that_is_over(nights: Nights) -> None:
    nights.night(one(PASS))
    nights.night(one(ERROR), reruns=[one(ERROR)])
    judgement = nights.night(one(PASS))
    assert judgement.is_news
    assert (judgement.findings, judgement.back) == ((), (key("t"),))
    assert not nights.night(one(PASS)).is_news


def test_a_repetition_makes_good_for_an_error(nights: Nights) -> None:
    nights.night(one(PASS))
    assert not nights.night(one(ERROR), reruns=[one(PASS), one(ERROR)]).is_news
    judgement = nights.night(one(ERROR), reruns=[one(FAIL), one(FAIL)])
    assert told(judgement) == [("t", Kind.REGRESSED)]
    assert not nights.night(one(FAIL)).is_news


def test_a_repetition_that_came_to_grief_hides_no_regression(nights: Nights) -> None:
    nights.night(one(PASS))
    judgement = nights.night(one(FAIL), reruns=[one(ERROR), made(error="QEMU died")])
    assert told(judgement) == [("t", Kind.REGRESSED)]
    assert "could not be repeated" in judgement.findings[0].why


def whole(*results: TestResult) -> JobRecord:
    return made(*results)


#: How a program comes to a bad end.
DEATHS = (
    result("mlock", CRASH), result("mlock", TIMEOUT), result("mlock", ERROR, signal="SIGBUS"),
)  # fmt: skip


@pytest.mark.parametrize("death", DEATHS)
def test_a_crash_and_what_came_after_it(nights: Nights, death: TestResult) -> None:
    """The result of a dead program bears its name; tests after it have none."""
    good = whole(result("a"), result("b"))
    dead = whole(result("a"), death)
    nights.night(good)
    judgement = nights.night(dead, reruns=[dead, dead])
    assert told(judgement) == [("mlock", Kind.REGRESSED), ("b", Kind.UNTESTED)]
    assert not nights.night(dead, reruns=[dead]).is_news
    # The crash is mended, and what came after it has got worse meanwhile.
    bad = whole(result("a"), result("b", FAIL))
    mended = nights.night(bad, reruns=[bad, bad])
    assert told(mended) == [("b", Kind.REGRESSED), ("mlock", Kind.FIXED)]
    assert not nights.night(bad).is_news


@pytest.mark.parametrize("death", DEATHS)
def test_a_crash_that_does_not_come_back(nights: Nights, death: TestResult) -> None:
    good = whole(result("a"), result("b"))
    nights.night(good)
    judgement = nights.night(whole(result("a"), death), reruns=[good, good])
    assert told(judgement) == [("mlock", Kind.FLAKY)]
    assert str(judgement.findings[0].rate) == "1 of 3 failed"
    assert not nights.night(good).is_news


def test_an_error_of_a_whole_program_that_does_not_come_back(nights: Nights) -> None:
    good = whole(result("a"), result("b"))
    nights.night(good)
    judgement = nights.night(whole(result("mlock", ERROR)), reruns=[good, good])
    assert judgement.findings == ()


def test_gone_and_new(nights: Nights) -> None:
    nights.night(whole(result("a"), result("b")))
    judgement = nights.night(whole(result("a"), result("c")))
    assert told(judgement) == [("b", Kind.GONE), ("c", Kind.NEW)]
    assert not nights.night(whole(result("a"), result("c"))).is_news


def test_what_lab_toml_expects_changed(nights: Nights) -> None:
    nights.night(one(FAIL, expected=FAIL))
    judgement = nights.night(one(FAIL))
    assert told(judgement) == [("t", Kind.CHANGED)]
    assert judgement.surprises == 1
    assert told(nights.night(one(FAIL, expected=FAIL))) == [("t", Kind.CHANGED)]


def test_worse_as_expected_is_no_regression(nights: Nights) -> None:
    nights.night(one(PASS))
    judgement = nights.night(one(FAIL, expected=FAIL), reruns=[one(FAIL, expected=FAIL)])
    assert told(judgement) == [("t", Kind.CHANGED)]
    assert judgement.surprises == 0


def test_what_is_repeated(nights: Nights) -> None:
    jobs = (
        JobPlan(Variant.parse("6.1"), "default", "default", ("ext4-dax", "xfs-dax"),
                ("populate", "mlock", "limits")),
        JobPlan(Variant.parse("6.1+fix"), "default", "default", ("ext4-dax",), ("mlock",)),
    )  # fmt: skip
    again = rerun_plan(Plan("nightly x", jobs), [key("t")], 2)
    assert again is not None
    wanted = replace(jobs[0], filesystems=("ext4-dax",), suites=("populate", "mlock"))
    assert again.jobs == (wanted, wanted)
    assert rerun_plan(Plan("nightly x", jobs), [], 2) is None
    assert rerun_plan(Plan("nightly x", jobs), [key("t")], 0) is None


@pytest.mark.parametrize(
    ("statuses", "doubted"),
    [((PASS, ERROR), True), ((ERROR, PASS), True), ((PASS, PASS), False), ((PASS, FAIL), True)],
)
def test_what_is_doubted(statuses: tuple[Status, ...], doubted: bool) -> None:
    """Any error or failure among a test's results, not only where all are."""
    before = run(one(PASS))
    night = run(made(result("bystander"), *(result("t", status) for status in statuses)))
    assert (key("t") in doubtful(before, night)) is doubted


def test_an_error_beside_a_result_is_no_stumble(nights: Nights) -> None:
    """An end is proved by a repetition all of whose results are the kernel's."""
    nights.night(whole(result("a"), result("b")))
    crash = whole(result("a"), result("mlock", CRASH))
    mixed = whole(result("a"), result("a", ERROR), result("b"))
    judgement = nights.night(crash, reruns=[mixed])
    assert told(judgement) == [("mlock", Kind.REGRESSED)]


def test_a_word_beside_an_error_is_a_word(nights: Nights) -> None:
    """Two results of one test in a job, one an error: the other counts."""
    nights.night(one(PASS))
    night = made(result("bystander"), result("t", ERROR), result("t"))
    assert told(nights.night(night, reruns=[one(ERROR)])) == []


def status(judgement: Judgement, *troubles: str) -> ExitStatus:
    return Night("x", run(), judgement, troubles=troubles).status


def test_exit_status(nights: Nights) -> None:
    good = nights.night(one(PASS))
    assert status(good) is ExitStatus.EXPECTED
    assert status(good, "no mail server") is ExitStatus.INFRASTRUCTURE
    lost = nights.night(one(ERROR))
    assert status(lost) is ExitStatus.INFRASTRUCTURE
    worse = nights.night(one(FAIL))
    assert status(worse, "no mail server") is ExitStatus.UNEXPECTED
    assert status(nights.night(one(FAIL))) is ExitStatus.UNEXPECTED


def verdict(outcome: Outcome, *tests: TestVerdict, ours: bool = False) -> KernelVerdict:
    found = KernelVerdict("6.1", outcome, "why", tests=tests, ours=ours)
    return found.of(Around("default", "default"))


def test_verdicts(nights: Nights) -> None:
    memory = replace(Memory(), verdicts={"6.1": "fixed"})
    quiet = Judgement(())
    assert judge_verdicts((verdict(Outcome.FIXED),), quiet, memory) == ()
    (change,) = judge_verdicts((verdict(Outcome.REGRESSED),), quiet, memory)
    assert (change.before, change.after.outcome) == ("fixed", Outcome.REGRESSED)
    lost = verdict(Outcome.INCONCLUSIVE, ours=True)
    assert judge_verdicts((lost,), quiet, memory) == ()
    assert judge_verdicts((replace(lost, ours=False),), quiet, memory)
    # A verdict that rests on a flake is none.
    nights.night(one(PASS))
    flaky = nights.night(one(FAIL), reruns=[one(PASS)])
    rests = TestVerdict("6.1", "ext4-dax", "mlock", "t", PASS, FAIL, Verdict.REGRESSED)
    assert judge_verdicts((verdict(Outcome.REGRESSED, rests),), flaky, memory) == ()
    other = replace(rests, test="u")
    assert judge_verdicts((verdict(Outcome.REGRESSED, other),), flaky, memory)
    failed = Night("x", run(), quiet, verification=None)
    assert failed.status is ExitStatus.EXPECTED


def test_a_repetition_in_which_something_else_died_proves_no_end(nights: Nights) -> None:
    nights.night(whole(result("a"), result("b")))
    other = whole(result("a"), result("other", ERROR))
    judgement = nights.night(whole(result("a"), result("mlock", CRASH)), reruns=[other])
    assert told(judgement) == [("mlock", Kind.REGRESSED), ("b", Kind.UNTESTED)]


def test_a_test_that_crashed_and_is_there_no_more_is_not_fixed(nights: Nights) -> None:
    nights.night(whole(result("a"), result("b", CRASH)))
    assert told(nights.night(whole(result("a")))) == [("b", Kind.GONE)]


def complaining(*results: TestResult) -> JobRecord:
    warning = Complaint(Complains.WARNING, "WARNING in unmount", ("WARNING: CPU: 0 PID: 1",))
    return replace(whole(*results), complaints=(PlacedComplaint(warning),))


def test_a_complaint_that_no_test_tells_of(nights: Nights) -> None:
    good, bad = whole(result("a")), complaining(result("a"))
    nights.night(good)
    judgement = nights.night(bad, reruns=[bad, bad])
    ((_, kind),) = told(judgement)
    assert kind is Kind.REGRESSED
    assert judgement.surprises == 1
    assert status(judgement) is ExitStatus.UNEXPECTED
    again = nights.night(bad)
    assert not again.is_news
    assert status(again) is ExitStatus.UNEXPECTED
    assert [kind for _, kind in told(nights.night(good))] == [Kind.FIXED]
    assert not nights.night(good).is_news


def test_a_complaint_that_does_not_come_back(nights: Nights) -> None:
    good, bad = whole(result("a")), complaining(result("a"))
    nights.night(good)
    judgement = nights.night(bad, reruns=[good, good])
    assert [kind for _, kind in told(judgement)] == [Kind.FLAKY]
    assert str(judgement.findings[0].rate) == "1 of 3 failed"
    assert not nights.night(good).is_news
    assert not nights.night(bad, reruns=[good]).is_news
    assert [k for _, k in told(nights.night(bad, reruns=[bad]))] == [Kind.REGRESSED]


def test_an_error_hides_no_complaint(nights: Nights) -> None:
    good, bad = whole(result("a")), complaining(result("a"))
    nights.night(bad)
    nights.night(made(error="no disk"))
    judgement = nights.night(bad)
    assert [kind for _, kind in told(judgement)] == []
    nights.night(made(error="no disk"))
    assert [kind for _, kind in told(nights.night(good))] == [Kind.FIXED]


def test_the_whole_job_is_repeated_for_a_complaint() -> None:
    whole_job = JobPlan(
        Variant.parse("6.1"), "default", "default", ("ext4-dax", "xfs-dax"), ("mlock", "limits")
    )
    complaint = key("WARNING in unmount")._replace(filesystem="", suite="kernel")
    again = rerun_plan(Plan("nightly x", (whole_job,)), [complaint, key("t")], 1)
    assert again is not None
    assert again.jobs == (whole_job,)


def test_a_repetition_that_never_began_proves_no_end(nights: Nights) -> None:
    nights.night(whole(result("a")))
    crash = whole(result("a"), result("mlock", CRASH))
    judgement = nights.night(crash, reruns=[made(error="no disk"), made(error="no disk")])
    assert told(judgement) == [("mlock", Kind.REGRESSED)]


def dup(status: Status, program: str = "dup-b") -> JobRecord:
    return made(result("open", program="dup-a"), result("open", status, program=program))


def test_one_of_two_programs_with_a_test_of_one_name(nights: Nights) -> None:
    """Three nights on one setup, then it gets worse: no flake, though both have that name."""
    for _ in range(3):
        nights.night(dup(PASS))
    worse = nights.night(dup(FAIL), reruns=[dup(FAIL), dup(FAIL)])
    assert [(found.key.program, found.kind) for found in worse.findings] == [
        ("dup-b", Kind.REGRESSED)
    ]
    assert "mlock/dup-b: open" in text_of(Night("m", run(), worse, "n0"))
    assert not nights.night(dup(FAIL)).is_news


def test_a_memory_of_keys_without_programs_is_still_a_memory(
    nights: Nights, tmp_path: Path
) -> None:
    nights.night(made(result("t"), result("f")))
    nights.night(made(result("t", ERROR), result("f", FAIL)), reruns=[made(result("f"))])
    path = tmp_path / "memory.json"
    nights.memory.save(path)
    document = json.loads(path.read_text())
    document["format"] = 1
    for keys in (document["open"], *document["known"].values()):
        keys[:] = [key[:6] for key in keys]
    for flake in document["flaky"]:
        flake["key"] = flake["key"][:6]
    path.write_text(json.dumps(document))
    nights.memory = Memory.load(path)
    now = made(result("t", ERROR, program="mlock"), result("f", FAIL, program="mlock"))
    assert told(nights.night(now, reruns=[made(result("f", program="mlock"))])) == []
    assert told(nights.night(now, reruns=[made(result("f", program="mlock"))])) == []


def test_what_changed_beside_the_kernel_is_told_first(nights: Nights) -> None:
    def night(recipe: str, status: Status) -> JobRecord:
        record = one(status)
        around = (("recipe of ext4-dax", recipe),)
        return replace(record, evidence=replace(record.evidence, surroundings=around))

    nights.night(night("mkfs.ext4 -b 4096", PASS))
    worse = night("mkfs.ext4 -g 512", FAIL)
    judgement = nights.night(worse, reruns=[worse, worse])
    assert judgement.around == ("recipe of ext4-dax: mkfs.ext4 -b 4096 → mkfs.ext4 -g 512",)
    text = text_of(Night("m", run(), judgement, "n0"))
    assert text.index("NOT THE KERNEL ALONE") < text.index("REGRESSED (1)")
    assert "not the kernel alone: recipe of ext4-dax" in text


def test_a_fix_may_not_be_the_kernels_alone(nights: Nights) -> None:
    def night(recipe: str, status: Status) -> JobRecord:
        record = one(status)
        around = (("recipe of ext4-dax", recipe),)
        return replace(record, evidence=replace(record.evidence, surroundings=around))

    nights.night(night("mkfs.ext4 -b 4096", FAIL))
    (fixed,) = nights.night(night("mkfs.ext4 -g 512", PASS)).findings
    assert (fixed.kind, fixed.why) == (Kind.FIXED, "not the kernel alone: recipe of ext4-dax")


def test_what_surprises_is_told_before_what_does_not(nights: Nights) -> None:
    nights.night(whole(result("a"), result("b", FAIL), result("c"), result("d", FAIL)))
    last = whole(
        result("a", FAIL, expected=FAIL),
        result("b", CRASH),
        result("c", FAIL, expected=FAIL),
        result("d", CRASH),
    )
    judgement = nights.night(last, reruns=[last])
    assert told(judgement) == [(name, Kind.CHANGED) for name in "bdac"]


def test_tests_without_a_result_are_told_by_name_whatever_took_it(nights: Nights) -> None:
    nights.night(whole(result("a"), result("b"), result("c", suite="other")))
    last = whole(result("a"), result("mlock", CRASH), result("c", ERROR, suite="other"))
    judgement = nights.night(last, reruns=[last])
    assert told(judgement) == [
        ("mlock", Kind.REGRESSED),
        ("b", Kind.UNTESTED),
        ("c", Kind.UNTESTED),
    ]


def test_an_error_in_the_first_night(nights: Nights) -> None:
    assert ("t", Kind.UNTESTED) in told(nights.night(one(ERROR)))
    later = nights.night(one(PASS))
    assert (told(later), later.back) == ([("t", Kind.NEW)], ())


def test_a_verdict_that_changed_is_news() -> None:
    assert not Judgement(()).is_news
    assert Judgement((), verdicts=(VerdictChange("6.1", "", verdict(Outcome.FIXED)),)).is_news


def test_the_first_verdict_on_a_kernel() -> None:
    (change,) = judge_verdicts((verdict(Outcome.FIXED),), Judgement(()), Memory())
    assert change == VerdictChange("6.1", "", verdict(Outcome.FIXED))


def test_a_verdict_is_of_its_config(nights: Nights) -> None:
    rests = TestVerdict("6.1", "ext4-dax", "mlock", "t", PASS, FAIL, Verdict.REGRESSED)
    worse = verdict(Outcome.REGRESSED, rests)
    nights.night(one(PASS))
    flaky = nights.night(one(FAIL), reruns=[one(PASS)])
    assert judge_verdicts((worse,), flaky, Memory()) == ()
    kasan = worse.of(Around("default", "kasan"))
    memory = replace(Memory(), verdicts={"6.1": "regressed"})
    (change,) = judge_verdicts((kasan,), flaky, memory)
    assert (change.before, change.after.name) == ("", "6.1 config kasan")


def test_a_verdict_rests_on_no_flake_of_another_kernel(nights: Nights) -> None:
    rests = TestVerdict("6.1", "ext4-dax", "mlock", "t", PASS, FAIL, Verdict.REGRESSED)
    worse = verdict(Outcome.REGRESSED, rests)

    def other(status: Status, variant: str) -> JobRecord:
        record = one(status)
        results = tuple(replace(each, variant=variant) for each in record.results)
        return replace(record, variant=Variant.parse(variant), results=results)

    for variant, rests_on_it in (("6.12", False), ("6.1+fix", True)):
        nights.night(other(PASS, variant))
        flaky = nights.night(other(FAIL, variant), reruns=[other(PASS, variant)])
        assert flaky.of(Kind.FLAKY)
        assert (judge_verdicts((worse,), flaky, Memory()) == ()) is rests_on_it


def test_a_verdict_is_lost_only_where_it_is_inconclusive() -> None:
    """Where the lab's error hid nothing of it, it is one."""
    fixed = verdict(Outcome.FIXED, ours=True)
    assert judge_verdicts((fixed,), Judgement(()), Memory())


@pytest.mark.parametrize("status", [PASS, FAIL])
def test_a_known_flake_that_failed_last_is_told_neither_way(nights: Nights, status: Status) -> None:
    nights.night(one(FAIL))
    nights.memory = replace(nights.memory, flaky={key("t"): Flake(2, 4)})
    assert told(nights.night(one(status), reruns=[one(status)])) == []


def test_a_known_flake_that_fails_as_expected_is_not_told(nights: Nights) -> None:
    nights.night(one(PASS))
    nights.memory = replace(nights.memory, flaky={key("t"): Flake(2, 4)})
    bad = one(FAIL, expected=FAIL)
    assert told(nights.night(bad, reruns=[bad])) == []


def test_a_program_that_skipped_all_and_does_no_more_came_not_to_an_end(nights: Nights) -> None:
    nights.night(whole(result("a"), result("mlock", SKIP)))
    assert told(nights.night(whole(result("a")))) == [("mlock", Kind.GONE)]


def test_a_rule_that_its_test_has_outlived(nights: Nights, tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    nights.night(one(FAIL, expected=FAIL), path=path)
    passes = one(PASS, expected=FAIL, reason="the 2015 mail")
    assert told(nights.night(passes, path=path)) == [("t", Kind.FIXED)]
    for night in range(2, 14):
        # A night without a result is none.
        assert not told(nights.night(passes, path=path)), night
        if night == 5:
            nights.night(made(error="no space"), path=path)
    judgement = nights.night(passes, path=path)
    assert told(judgement) == [("t", Kind.CHANGED)]
    assert judgement.findings[0].why == (
        "it has passed for 14 nights, and lab.toml expects fail: the 2015 mail"
    )
    # Once.
    assert not told(nights.night(passes, path=path))


def test_a_rule_whose_test_fails_once_more_has_not_been_outlived(nights: Nights) -> None:
    nights.night(one(FAIL, expected=FAIL))
    passes = one(PASS, expected=FAIL)
    for _ in range(10):
        nights.night(passes)
    nights.night(one(FAIL, expected=FAIL), reruns=[one(FAIL, expected=FAIL)])
    told_of = [found.why for _ in range(13) for found in nights.night(passes).findings]
    assert not any("nights" in why for why in told_of)
