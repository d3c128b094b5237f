# SPDX-License-Identifier: GPL-2.0-only
"""What of a night is to be bisected: which tests speak for which, and for how long."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from lab.bisect.of_complaint import OfComplaint
from lab.bisect.of_test import OfTest
from lab.bisect.point import Point
from lab.bisect.told import Trial
from lab.model.records import Evidence, JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.test_key import TestKey
from lab.nightly.baseline import Before, last_words, put_together
from lab.nightly.bisected import Bisected, Culprit, Ending
from lab.nightly.bisecting import question_of, span
from lab.nightly.budget import Budget, BudgetEnded, WithinBudget
from lab.nightly.got_worse import got_worse, wanted
from lab.nightly.judgement import Finding, Judgement, Kind
from lab.nightly.message import kept
from lab.nightly.state import Memory
from lab.nightly.worse import GotWorse
from lab.results.store import Store
from tests.bisect.played import PASSES, PlayedTrier
from tests.results.made import job, result, run

OLD, OLDER, NEW = "1" * 40, "0" * 40, "2" * 40


def key(test: str, variant: str = "next", filesystem: str = "ext4-dax") -> TestKey:
    return TestKey(variant, "default", "default", filesystem, "mlock", test, "mlock")


def made_of(tree: str, *variants: str) -> RunRecord:
    jobs: list[JobRecord] = [
        replace(
            job(result("t", variant=name, program="mlock"), variant=name),
            evidence=Evidence(tree_identity=tree),
        )
        for name in variants or ("next",)
    ]
    return run(*jobs)


def worse(test: str, said: str = "ENOMEM", complaint: str = "", **where: str) -> Finding:
    status = Status.CRASH if complaint else Status.FAIL
    bad: TestResult = result(test, status, message=said, complaint=complaint)
    return Finding(key(test, **where), Kind.REGRESSED, result(test), (bad,))


def found(*findings: Finding, old: str = f"git:{OLD}", new: str = f"git:{NEW}") -> list[GotWorse]:
    variants = sorted({one.key.variant for one in findings})
    before = put_together("n", {"n": replace(made_of(old, *variants), id="n")}, {})
    return list(got_worse(before, Judgement(findings), made_of(new, *variants)))


def test_one_test_speaks_for_all_that_got_worse_alike() -> None:
    alike = [worse(name, f"{name}: 3 of 4 pages") for name in ("t", "u", "v")]
    other = worse("w", "EIO")
    first, second = found(*alike, other, worse("t", "t: 9 of 9 pages", filesystem="xfs-dax"))
    assert (first.key, first.more) == (key("t"), 3)
    assert (first.old, first.new) == (OLD, NEW)
    assert (second.key.test, second.more) == ("w", 0)


def test_the_kernel_without_a_series_speaks_for_that_with_it() -> None:
    (one,) = found(worse("t", variant="next+fix"), worse("t", variant="next"))
    assert one.key.variant == "next"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"git:{NEW}", f"git:{NEW}"),
        (f"apt:{OLD}", f"git:{NEW}"),
        (f"git:{OLD}", "dir:x"),
        ("", f"git:{NEW}"),
        (f"git:{OLD}", ""),
    ],
)
def test_between_two_commits_alone(old: str, new: str) -> None:
    assert found(worse("t"), old=old, new=new) == []


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.REGRESSED])
def test_only_what_got_worse(kind: Kind) -> None:
    assert found(replace(worse("t"), kind=kind)) == []


def test_the_old_commit_is_that_of_the_tests_own_last_word() -> None:
    """The last night had an error of the lab there: what it was built of says nothing."""
    runs = {
        "n1": replace(made_of(f"git:{OLDER}"), id="n1"),
        "n2": replace(made_of(f"git:{OLD}"), id="n2"),
    }
    before = put_together("n2", runs, {key("t"): "n1"})
    (one,) = got_worse(before, Judgement((worse("t"),)), made_of(f"git:{NEW}"))
    assert one.old == OLDER


@dataclass
class Nights:
    """A database of runs, the last of which is the baseline."""

    runs: dict[str, RunRecord]

    def baselines(self) -> dict[str, str]:
        return {}

    def known(self) -> frozenset[str]:
        return frozenset(self.runs)

    def load(self, name: str) -> RunRecord:
        return self.runs[name]


def test_of_a_job_that_several_nights_have_the_last_word_on() -> None:
    """Each test has its own commit; what is new has that of its job's newest night."""
    commits = {"20260101": OLDER, "20260102": NEW, "20260103": OLD}
    nights: dict[str, RunRecord] = {}
    for name, commit in commits.items():
        (made,) = made_of(f"git:{commit}").jobs
        results = tuple(replace(made.results[0], test=test) for test in ("t", "u", "v"))
        nights[name] = replace(run(replace(made, results=results)), id=name)
    new = TestKey("next", "default", "default", "", "kernel", "oops: at f")
    words = {key("t"): "20260101", key("u"): "20260102"}
    for known, last in ((words, OLD), ({**words, key("v"): "20260101"}, NEW)):
        memory = Memory(baseline="20260103", known=known)
        before = last_words(cast("Store", Nights(nights)), memory)
        assert before is not None
        assert before.tree(key("t")) == f"git:{OLDER}"
        assert before.tree(key("u")) == f"git:{NEW}"
        assert before.tree(new) == f"git:{last}"
    assert Before(run()).tree(new) == ""


def test_what_is_asked_of_each_commit() -> None:
    (plain,) = found(worse("mmap[4k]"))
    question = question_of(plain)
    assert isinstance(question, OfTest)
    assert question.pattern == "mmap[[]4k]"
    (died,) = found(worse("t", complaint="oops: at f (mm/gup.c:12)"))
    assert question_of(died) == OfComplaint("oops: at f")
    # A program that ended badly has no test to be picked by.
    assert question_of(replace(plain, key=plain.key._replace(test="mlock"))) == OfTest(None)
    complaint = Finding(
        TestKey("next", "default", "default", "", "kernel", "warning: at g"),
        Kind.REGRESSED,
        None,
        (result("warning: at g", Status.CRASH),),
    )
    (told,) = found(complaint)
    assert question_of(told) == OfComplaint("warning: at g")


def test_what_goes_on_goes_first_and_is_not_begun_again() -> None:
    pending, new = GotWorse(key("t"), OLD, NEW, failures=2), GotWorse(key("u"), OLD, NEW)
    assert wanted([pending], [replace(pending, failures=0, more=7), new]) == (pending, new)


def test_which_bisections_go_on() -> None:
    what = GotWorse(key("t"), OLD, NEW)
    for ending in Ending:
        assert Bisected(what, ending).goes_on is (ending is Ending.BUDGET_ENDED)
    failed = Bisected(what, Ending.FAILED, again=True)
    assert failed.goes_on
    assert not replace(failed, what=replace(what, failures=5)).goes_on


def test_the_state_keeps_what_goes_on_and_what_was_found(tmp_path: Path) -> None:
    what = GotWorse(key("t"), OLD, NEW, "oops: at f", 3, 2)
    ended = Bisected(what, Ending.FOUND, "id", culprit=Culprit(NEW, "s", "A. Person"))
    memory = Memory("n", bisecting=(what,), bisected=kept((), (ended,)))
    memory.save(tmp_path / "memory.json")
    again = Memory.load(tmp_path / "memory.json")
    assert again.bisecting == (what,)
    assert again.bisected[0]["commit"] == {"commit": NEW, "subject": "s", "author": "A. Person"}
    assert len(kept([{}] * 50, (ended,))) == 20
    assert kept([], (Bisected(what, Ending.BUDGET_ENDED),)) == ()
    # An older lab's has neither.
    document = json.loads((tmp_path / "memory.json").read_text())
    del document["bisecting"], document["bisected"]
    (tmp_path / "memory.json").write_text(json.dumps(document))
    assert Memory.load(tmp_path / "memory.json").bisecting == ()


@dataclass
class Clock:
    """Seconds, as a test says; ``each`` of them for a trial."""

    each: float = 0.0
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Slow:
    """A trier whose trials take their time."""

    clock: Clock
    played: PlayedTrier = field(default_factory=lambda: PlayedTrier(lambda *_: PASSES))

    def try_(self, point: Point, times: int) -> Generator[Trial, None, None]:
        for trial in self.played.try_(point, times):
            self.clock.now += self.clock.each
            yield trial

    def prepare(self, points: Sequence[Point]) -> None:
        self.played.prepare(points)


def tries(seconds: float, each: float, times: int = 1) -> list[int]:
    """How many trials each step had until the budget ended."""
    clock = Clock(each)
    within = WithinBudget(Slow(clock), Budget(seconds, clock))
    counts: list[int] = []
    try:
        while len(counts) < 9:
            counts.append(0)
            for _ in within.try_(Point("1", "1"), times):
                counts[-1] += 1
    except BudgetEnded:
        pass
    return counts


@pytest.mark.parametrize(
    ("seconds", "each", "counts"),
    [
        # The last is never begun: it would take longer than what is left.
        (10, 4, [1, 1, 0]),
        (8, 4, [1, 1]),
        (7, 4, [1, 0]),
        # The first is, however long it takes.
        (1, 4, [1]),
        (0.001, 4, [1]),
        (100, 4, [1] * 9),
    ],
)
def test_a_budget(seconds: float, each: float, counts: list[int]) -> None:
    assert tries(seconds, each) == counts


def test_repetitions_end_with_the_budget() -> None:
    assert tries(10, 4, times=21) == [3]


def test_what_is_left_is_shared() -> None:
    clock = Clock(4)
    budget = Budget(9, clock)
    list(WithinBudget(Slow(clock), budget).try_(Point("1", "1"), 1))
    list(WithinBudget(Slow(clock), budget).try_(Point("1", "1"), 1))
    with pytest.raises(BudgetEnded):
        list(WithinBudget(Slow(clock), budget).try_(Point("1", "1"), 1))


def test_spans() -> None:
    assert [span(s) for s in (7200, 5400, 90, 0.5)] == ["2 h", "90 min", "90 s", "0.5 s"]
