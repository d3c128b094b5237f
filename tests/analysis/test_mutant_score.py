# SPDX-License-Identifier: GPL-2.0-only
"""What a mutant's job shows: that a test noticed it, that none did, or that we failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.analysis.mutant_score import (
    Fate,
    MutantResult,
    MutantScore,
    Reference,
    Twins,
    judge,
    name_of,
)
from lab.model.complaint import Complaint, Kind
from lab.model.job_error import JobError
from lab.model.records import JobRecord, PlacedComplaint, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.mutants.mutant import Kind as Wrong
from lab.mutants.mutant import Mutant
from lab.report.mutants import mutant_lines, mutants_to_json
from tests.results.made import job, result

MUTANT = Mutant("mm/gup.c", 500, Wrong.OPERAND, "!pages", "", b"new\n", b"old\n")
WARNS = PlacedComplaint(Complaint(Kind.WARNING, "in iput", headline="WARNING: at iput"))


def ran(status: Status = Status.PASS, test: str = "mlock.a", **more: object) -> TestResult:
    return replace(result(test, status), **more)  # type: ignore[arg-type]


def record(*results: TestResult, **more: object) -> JobRecord:
    return replace(job(*results), **more)  # type: ignore[arg-type]


FAILS = ran(Status.FAIL, "mlock.b", message="mlock: ENOMEM")
PATCHED = Reference(record(ran(), FAILS), record(ran(), FAILS))


@pytest.mark.parametrize(
    ("shown", "fate"),
    [
        (record(ran(), FAILS), Fate.SURVIVED),
        # It fails with the patch, too, and says something else.
        (record(ran(), replace(FAILS, message="mlock: EDOM")), Fate.NOTICED),
        (record(ran(Status.FAIL)), Fate.NOTICED),
        (record(ran(Status.CRASH)), Fate.NOTICED),
        (record(ran(Status.SKIP)), Fate.NOTICED),
        # It fails with the patch, and passes with the mutant: another kernel all the same.
        (record(ran(), ran(Status.PASS, "mlock.b")), Fate.NOTICED),
        # What the patch has no result of: the program died.
        (record(ran(), ran(Status.CRASH, "mlock")), Fate.NOTICED),
        (record(ran(Status.ERROR, signal="SIGSEGV")), Fate.NOTICED),
        (record(ran(), complaints=(WARNS,)), Fate.NOTICED),
        # Our own failure notices nothing, and what did not run did not either.
        (record(ran(Status.ERROR)), Fate.ERROR),
        (record(ran(), ran(Status.ERROR, "mlock.b", unrun=Unrun.LOST)), Fate.ERROR),
        (record(), Fate.ERROR),
        (record(error=JobError("no QEMU")), Fate.ERROR),
        (record(ran(), error=JobError("no QEMU")), Fate.ERROR),
        # What was seen before we failed was seen.
        (record(ran(Status.FAIL), error=JobError("no QEMU")), Fate.NOTICED),
    ],
)
def test_what_a_job_shows(shown: JobRecord, fate: Fate) -> None:
    assert judge(shown, PATCHED).fate is fate


def test_what_the_patched_kernel_complains_of_too_is_no_mutants() -> None:
    usual = Reference(record(ran(), complaints=(WARNS,)), record(ran()))
    assert judge(record(ran(), complaints=(WARNS,)), usual).fate is Fate.SURVIVED


def test_who_hung_is_told_apart() -> None:
    hung = judge(record(ran(Status.TIMEOUT)), PATCHED).hung
    assert hung == name_of(ran())
    assert judge(record(ran(Status.FAIL)), PATCHED).hung is None


def test_who_noticed_is_named() -> None:
    said = judge(record(ran(Status.FAIL, message="mlock: ENOMEM")), PATCHED).why
    assert said == "mlock.a on ext4-dax: fail: mlock: ENOMEM"


def test_a_survivor_has_the_tests_that_ran() -> None:
    assert judge(record(ran(), ran()), PATCHED).ran == ("mlock.a on ext4-dax",)


def test_a_test_that_does_not_always_end_alike_is_known() -> None:
    before = record(ran(), ran(Status.FAIL, "mlock.b"), ran(test="mlock.c"))
    now = record(ran(Status.FAIL), ran(Status.FAIL, "mlock.b"), ran(Status.ERROR, "mlock.c"))
    assert {name[3] for name in Reference(now, before).unsteady} == {"mlock.a", "mlock.c"}
    # Within one job, too: alone, and after others.
    twice = record(ran(), ran(Status.FAIL))
    assert {name[3] for name in Reference(twice, record()).unsteady} == {"mlock.a"}


def test_what_fails_in_many_ways_is_not_asked_how() -> None:
    other = record(ran(), replace(FAILS, message="mlock: EAGAIN"))
    unsteady = Reference(record(ran(), FAILS), other)
    third = record(ran(), replace(FAILS, message="mlock: EDOM"))
    assert judge(third, unsteady).fate is Fate.SURVIVED


def test_of_those_compiled_to_the_same_one_is_tested() -> None:
    twins = Twins()
    second, third = (replace(MUTANT, content=b"%d" % number) for number in (2, 3))
    assert not twins.is_one(1, MUTANT, "digest")
    assert twins.is_one(2, second, "digest")
    assert not twins.is_one(4, MUTANT, "another")
    assert not twins.is_one(5, MUTANT, "")
    assert not twins.is_one(6, MUTANT, "")
    first = MutantResult(1, MUTANT, Fate.NOTICED, "mlock.a")
    found = twins.ended(first)
    assert [(each.number, each.fate, each.twin) for each in found] == [
        (1, Fate.NOTICED, None),
        (2, Fate.NOTICED, 1),
    ]
    # One that comes when it is known already waits for nobody.
    assert twins.is_one(3, third, "digest")
    assert [(each.number, each.mutant.content) for each in twins.late()] == [(3, b"3")]
    assert twins.late() == []


SURVIVOR = MutantResult(2, MUTANT, Fate.SURVIVED, "", tuple(f"t{n} on ext4-dax" for n in range(9)))
SCORE = MutantScore(
    "v4.2",
    results=(
        MutantResult(1, MUTANT, Fate.NOTICED, "mlock.a"),
        SURVIVOR,
        MutantResult(3, MUTANT, Fate.SAME),
        MutantResult(4, MUTANT, Fate.NOTICED, twin=1),
        MutantResult(5, MUTANT, Fate.ERROR, "no QEMU"),
        MutantResult(6, MUTANT, Fate.UNCOMPILED),
    ),
    of=9,
    left_out=(("mm/Makefile", "not C"),),
    duration_s=61.4,
)


def test_a_survivor_says_what_nobody_noticed() -> None:
    lines = list(mutant_lines("dax-populate", [SCORE]))
    assert lines == [
        "mutants of dax-populate on v4.2",
        "  noticed 2 of 3 (67 %), in 61 s",
        "  6 mutants of 9 (--mutants): 2 noticed, 1 survived, 1 same binary, 1 does not\n"
        "    compile, 1 error",
        "  not mutated: mm/Makefile: not C",
        "  survived: mm/gup.c:500: operand dropped",
        "      without !pages",
        "      ran without noticing: t0 on ext4-dax, t1 on ext4-dax, t2 on ext4-dax, t3\n"
        "        on ext4-dax and 5 more",
        "  error: mm/gup.c:500 without !pages",
        "      no QEMU",
    ]
    assert all(len(part) <= 80 for line in lines for part in line.splitlines())


def test_the_document_has_all_of_it() -> None:
    (kernel,) = mutants_to_json("dax-populate", "run", [SCORE], finished=True)["kernels"]
    assert kernel["score"] == 0.6667
    assert kernel["counts"]["survived"] == 1
    row = kernel["mutants"][1]
    assert (row["file"], row["line"], row["kind"]) == ("mm/gup.c", 500, "operand dropped")
    assert row["ran"] == list(SURVIVOR.ran)
    assert "-old\n+new\n" in row["diff"]


def test_without_mutants_there_is_a_reason_and_no_score() -> None:
    nothing = MutantScore("6.1", why="the series changes nothing in the binary")
    assert list(mutant_lines("s", [nothing]))[1:] == [
        "  none: the series changes nothing in the binary"
    ]
    assert mutants_to_json("s", "run", [nothing], finished=True)["kernels"][0]["score"] is None


def test_where_the_lab_came_to_no_end_there_is_no_score() -> None:
    cut = MutantScore("v4.2", results=SCORE.results[:1], why="no QEMU", lost=True)
    assert list(mutant_lines("s", [cut]))[1:] == ["  not all: no QEMU", "  1 mutants: 1 noticed"]
    (kernel,) = mutants_to_json("s", "run", [cut], finished=False)["kernels"]
    assert (kernel["score"], kernel["lost"]) == (None, True)
