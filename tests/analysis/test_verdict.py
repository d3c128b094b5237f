# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts on tests: what each pair of results is worth, and what is worth nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lab.analysis.series_verdict import is_ours, judge_pair, judge_upstream
from lab.analysis.verdict import TestVerdict, Verdict, alone, compare
from lab.model.proof import Proofs
from lab.model.records import Evidence, JobRecord, TestResult
from lab.model.status import Outcome, Status
from lab.model.unrun import Unrun
from tests.results.made import EVIDENCE, PROOF, job, noted, result

PASS, FAIL, SKIP = Status.PASS, Status.FAIL, Status.SKIP
CRASH, TIMEOUT, ERROR = Status.CRASH, Status.TIMEOUT, Status.ERROR
DIGEST = ("fix", "cd" * 32)
BASE = replace(EVIDENCE, build_key="base", series_digests=())
PATCHED = replace(EVIDENCE, build_key="patched", series_digests=(DIGEST,))


def base(*results: TestResult, evidence: Evidence = BASE, **more: Any) -> JobRecord:
    return replace(job(*results, **more), evidence=evidence)


def patched(*results: TestResult, evidence: Evidence = PATCHED, **more: Any) -> JobRecord:
    return replace(job(*results, variant="6.1+fix", **more), evidence=evidence)


def one(before: Status, after: Status, **more: Any) -> TestVerdict:
    (found,) = compare(base(result("t", before, **more)), patched(result("t", after)), DIGEST)
    assert (found.base, found.patched) == (before, after)
    return found


def by_test(verdicts: Sequence[TestVerdict]) -> dict[str, Verdict]:
    return {verdict.test: verdict.verdict for verdict in verdicts}


def test_a_pair_on_two_hosts_is_judged_all_the_same() -> None:
    """Of one QEMU, CPU and programs: lab.execution.verify says that there were two."""
    sides = (replace(BASE, host="near"), replace(PATCHED, host="far"))
    (found,) = compare(
        base(result("t", FAIL), evidence=sides[0]),
        patched(result("t", PASS), evidence=sides[1]),
        DIGEST,
    )
    assert found.verdict == "fixed"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (FAIL, PASS, "fixed"),
        (PASS, PASS, "still passing"),
        (FAIL, FAIL, "still failing"),
        (CRASH, FAIL, "still failing"),
        (CRASH, CRASH, "still failing"),
        (TIMEOUT, CRASH, "still failing"),
        (PASS, FAIL, "regressed"),
        (PASS, CRASH, "regressed"),
        (PASS, TIMEOUT, "regressed"),
        # A failure that became a death is no mere failure any more.
        (FAIL, CRASH, "regressed"),
        (FAIL, TIMEOUT, "regressed"),
        (SKIP, CRASH, "regressed"),
        (SKIP, SKIP, "not applicable"),
        (SKIP, PASS, "inconclusive"),
        (FAIL, SKIP, "inconclusive"),
        (PASS, SKIP, "inconclusive"),
        (SKIP, FAIL, "inconclusive"),
        (ERROR, PASS, "inconclusive"),
        (FAIL, ERROR, "inconclusive"),
        (ERROR, CRASH, "inconclusive"),
        (CRASH, ERROR, "inconclusive"),
        (ERROR, ERROR, "inconclusive"),
        (ERROR, SKIP, "inconclusive"),
        # Nobody foretold that death: any guest may die once.
        (CRASH, PASS, "inconclusive"),
        (TIMEOUT, PASS, "inconclusive"),
    ],
)
def test_pairs(before: Status, after: Status, verdict: str) -> None:
    assert one(before, after).verdict == verdict


def test_a_program_that_a_signal_killed_is_no_error_of_ours() -> None:
    """Nothing is said of the test, and nobody is told to try again."""
    killed = result("t", ERROR, signal="SIGBUS")
    (found,) = compare(base(result("t", FAIL)), patched(killed), DIGEST)
    assert (found.verdict, found.why) == ("inconclusive", "SIGBUS killed the program")
    assert not is_ours([found])
    (found,) = compare(base(killed), patched(result("t", ERROR)), DIGEST)
    assert found.why == "an error of the lab's"
    assert is_ours([found])
    (found,) = alone(base(killed))
    assert (found.verdict, found.why) == ("inconclusive", "SIGBUS killed the program")
    assert not is_ours([found])


def test_a_test_that_broke_off_is_no_error_of_ours_and_no_verdict() -> None:
    broken = result("t", ERROR, broke_off="TBROK")
    (found,) = compare(base(broken), patched(result("t")), DIGEST)
    assert (found.verdict, found.why) == ("inconclusive", "it says TBROK")
    assert not is_ours([found])


@pytest.mark.parametrize("status", [CRASH, TIMEOUT])
def test_a_death_that_lab_toml_foretells_can_be_fixed(status: Status) -> None:
    assert one(status, PASS, expected=status).verdict == "fixed"


def test_failure_in_another_way_is_told() -> None:
    before = base(result("t", FAIL, message="1 of 1024"))
    (found,) = compare(before, patched(result("t", FAIL, message="wrong data")), DIGEST)
    assert (found.verdict, found.why) == ("still failing", "in another way")
    assert found.said == ("1 of 1024", "wrong data")


def test_a_test_that_one_side_lacks_is_never_fixed() -> None:
    before = base(result("a", FAIL), result("b", FAIL), result("c"))
    after = patched(result("a"), result("d"))
    assert by_test(compare(before, after, DIGEST)) == {
        "a": "fixed",
        "b": "inconclusive",
        "c": "inconclusive",
        "d": "inconclusive",
    }


def test_the_same_name_elsewhere_is_another_test() -> None:
    before = base(result("a", FAIL), result("b"))
    after = patched(result("a", filesystem="xfs-dax"), result("b", suite="populate"))
    verdicts = compare(before, after, DIGEST)
    assert len(verdicts) == 4
    assert {each.verdict for each in verdicts} == {Verdict.INCONCLUSIVE}


def test_a_name_that_comes_twice_hides_nothing() -> None:
    before = base(result("a", FAIL), result("a", FAIL))
    found = compare(before, patched(result("a"), result("a", FAIL)), DIGEST)
    assert [(each.test, each.verdict) for each in found] == [
        ("a", "fixed"),
        ("a [2]", "still failing"),
    ]


def test_a_program_that_dies_with_the_series_regressed() -> None:
    """Its own result says so; the tests it did not reach say nothing."""
    before = base(result("a", FAIL), result("b"))
    after = patched(result("a"), result("mlock", CRASH))
    assert by_test(compare(before, after, DIGEST)) == {
        "a": "fixed",
        "b": "inconclusive",
        "mlock": "regressed",
    }


def test_a_guest_that_never_came_up_with_the_series_regressed() -> None:
    before = base(result("a", FAIL))
    after = patched(result("mlock", CRASH), evidence=replace(PATCHED, proofs=()))
    assert by_test(compare(before, after, DIGEST)) == {"a": "inconclusive", "mlock": "regressed"}


def test_a_death_on_both_sides_regressed_nothing() -> None:
    before = base(result("a", FAIL), result("mlock", CRASH))
    after = patched(result("mlock", CRASH))
    assert by_test(compare(before, after, DIGEST))["mlock"] == "still failing"


def test_a_death_where_base_had_an_error_proves_nothing() -> None:
    before = base(result("limits", ERROR))
    after = patched(result("mlock", CRASH))
    assert by_test(compare(before, after, DIGEST))["mlock"] == "inconclusive"


def test_a_base_that_died_is_fixed_only_as_foretold() -> None:
    after = patched(result("a"), result("b"))
    unforeseen = base(result("a"), result("mlock", CRASH))
    assert by_test(compare(unforeseen, after, DIGEST)) == {
        "a": "still passing",
        "b": "inconclusive",
        "mlock": "inconclusive",
    }
    foreseen = base(result("a"), result("mlock", CRASH, expected=CRASH))
    assert by_test(compare(foreseen, after, DIGEST)) == {
        "a": "still passing",
        "b": "not applicable",
        "mlock": "fixed",
    }
    fails = patched(result("a"), result("b", FAIL))
    assert by_test(compare(foreseen, fails, DIGEST))["b"] == "inconclusive"
    # It would be mended if it had not been stopped by an error of ours.
    stopped = patched(result("a"), result("limits", ERROR))
    assert by_test(compare(foreseen, stopped, DIGEST))["mlock"] == "inconclusive"


@pytest.mark.parametrize("side", ["base", "patched"])
def test_no_proof_of_dax_no_verdict(side: str) -> None:
    evidence = {"base": BASE, "patched": PATCHED}
    evidence[side] = replace(evidence[side], proofs=(("xfs-dax", (("dax", PROOF),)),))
    before = base(result("a", FAIL), result("b", SKIP), evidence=evidence["base"])
    after = patched(result("a"), result("b", SKIP), evidence=evidence["patched"])
    first, second = compare(before, after, DIGEST)
    assert (first.verdict, first.why) == ("inconclusive", f"nothing proves that {side} was DAX")
    assert second.verdict == "not applicable"


@pytest.mark.parametrize("proofs", [(), (("dax", ()),), (("other", PROOF),)])
def test_an_empty_proof_is_none(proofs: Proofs) -> None:
    after = patched(result("a"), evidence=replace(PATCHED, proofs=(("ext4-dax", proofs),)))
    (found,) = compare(base(result("a", FAIL)), after, DIGEST)
    assert found.verdict == "inconclusive"


PLAIN: dict[str, Any] = {"promises": (("plain", ()),), "proofs": (("plain", ()),)}


def test_a_filesystem_that_promises_nothing_can_be_fixed() -> None:
    before = base(result("a", FAIL, filesystem="plain"), evidence=replace(BASE, **PLAIN))
    after = patched(result("a", filesystem="plain"), evidence=replace(PATCHED, **PLAIN))
    (found,) = compare(before, after, DIGEST)
    assert (found.verdict, found.why) == ("fixed", "")
    (alone_,) = alone(before)
    assert alone_.verdict == "not applicable"


@pytest.mark.parametrize(
    ("change", "wanting"),
    [
        # It owes what it promised, mounted or not.
        ({"promises": (("plain", ("dax",)),)}, "DAX"),
        ({"promises": (("plain", ("dax",)),), "proofs": (("plain", (("dax", ()),)),)}, "DAX"),
        ({"promises": (("plain", ("quota", "dax")),)}, "quota"),
        (
            {"promises": (("plain", ("dax", "quota")),), "proofs": (("plain", (("dax", PROOF),)),)},
            "quota",
        ),
        # Nobody says what it promised: before that was recorded it was DAX.
        ({"promises": ()}, "DAX"),
        ({"promises": (("other", ()),)}, "DAX"),
        # It was never there.
        ({"proofs": ()}, "mounted"),
    ],
)
@pytest.mark.parametrize("side", ["base", "patched"])
def test_a_promise_without_its_proof_is_no_verdict(
    side: str, change: dict[str, Any], wanting: str
) -> None:
    evidence = {"base": replace(BASE, **PLAIN), "patched": replace(PATCHED, **PLAIN)}
    evidence[side] = replace(evidence[side], **change)
    before = base(result("a", FAIL, filesystem="plain"), evidence=evidence["base"])
    after = patched(result("a", filesystem="plain"), evidence=evidence["patched"])
    (found,) = compare(before, after, DIGEST)
    assert (found.verdict, found.why) == (
        "inconclusive",
        f"nothing proves that {side} was {wanting}",
    )


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ({"tree_identity": "another"}, "they differ in tree identity"),
        ({"config_digest": "another"}, "they differ in config digest"),
        ({"compiler": "another"}, "they differ in compiler"),
        ({"accelerator": "kvm"}, "they differ in accelerator"),
        ({"qemu_version": "9"}, "they differ in qemu version"),
        ({"machine_description": "1 CPU"}, "they differ in machine description"),
        ({"build_key": "base"}, "both ran the same build"),
        ({"series_digests": ()}, "the two kernels differ in more than the series"),
        ({"series_digests": (("fix", "old"),)}, "the two kernels differ in more than the series"),
        (
            {"series_digests": (("other", "00"), DIGEST)},
            "the two kernels differ in more than the series",
        ),
    ],
)
def test_sides_that_differ_in_more_than_the_series(evidence: dict[str, Any], why: str) -> None:
    after = patched(result("a"), evidence=replace(PATCHED, **evidence))
    (found,) = compare(base(result("a", FAIL)), after, DIGEST)
    assert (found.verdict, found.why) == ("inconclusive", why)


@pytest.mark.parametrize("field", ["machine", "config"])
def test_sides_on_other_machines(field: str) -> None:
    other: dict[str, Any] = {field: "other"}
    after = replace(patched(result("a")), **other)
    (found,) = compare(base(result("a", FAIL)), after, DIGEST)
    assert (found.verdict, found.why) == ("inconclusive", f"they differ in {field}")


def test_series_beneath_belong_to_both() -> None:
    beneath = ("bug", "00")
    before = base(result("a", FAIL), evidence=replace(BASE, series_digests=(beneath,)))
    after = replace(PATCHED, series_digests=(beneath, DIGEST))
    (found,) = compare(before, patched(result("a"), evidence=after), DIGEST)
    assert found.verdict == "fixed"


def test_a_place_where_nothing_ran_on_either_side() -> None:
    asked = [("ext4-dax", "mlock"), ("xfs-dax", "mlock")]
    found = compare(base(result("a", FAIL)), patched(result("a")), DIGEST, asked)
    assert [(each.filesystem, each.verdict) for each in found] == [
        ("ext4-dax", "fixed"),
        ("xfs-dax", "inconclusive"),
    ]


def test_a_kernel_alone() -> None:
    results = [result(str(status), status) for status in (PASS, FAIL, SKIP, CRASH, ERROR)]
    found = alone(base(*results), [("ext4-dax", "mlock"), ("xfs-dax", "mlock")])
    assert by_test(found) == {
        "pass": "not applicable",
        "fail": "not applicable",
        "skip": "not applicable",
        "crash": "inconclusive",
        "error": "inconclusive",
        "": "inconclusive",
    }
    (unproved,) = alone(base(result("a"), evidence=replace(BASE, proofs=())))
    assert unproved.verdict == "inconclusive"


def test_tests_that_nobody_ran_are_as_if_they_were_not_there() -> None:
    left = result("p (test 2 of 2)", ERROR, message="did not run: the guest died")
    known = result("t", CRASH, expected=CRASH)
    found = compare(base(known, left), patched(result("t"), result("u")), DIGEST)
    assert by_test(found) == {"t": Verdict.FIXED, "u": Verdict.NOT_APPLICABLE}


def test_a_death_is_not_mended_by_what_did_not_run() -> None:
    left = result("p", ERROR, message="did not run: interrupted")
    known = result("t", CRASH, expected=CRASH)
    (found,) = compare(base(known), patched(result("u"), left), DIGEST)[:1]
    assert found.verdict is Verdict.INCONCLUSIVE


def test_two_programs_with_a_test_of_one_name() -> None:
    def both(status: Status) -> tuple[TestResult, ...]:
        return result("open", program="dup-a"), result("open", status, program="dup-b")

    verdicts = compare(base(*both(FAIL)), patched(*both(PASS)), DIGEST)
    assert by_test(verdicts) == {"dup-a: open": "still passing", "dup-b: open": "fixed"}
    # Though the base has no result of the first, nothing is taken for another's.
    lost = compare(base(*both(PASS)[1:]), patched(*both(FAIL)), DIGEST)
    assert by_test(lost) == {"dup-a: open": "inconclusive", "dup-b: open": "regressed"}


def test_what_only_the_patched_kernel_complains_of_is_a_regression() -> None:
    """While no test runs, as at the end, when filesystems are unmounted."""
    before, after = base(result("t", FAIL)), patched(result("t", PASS), complaints=(noted(),))
    tests = compare(before, after, DIGEST)
    assert by_test(tests) == {"t": Verdict.FIXED, "warning: WARNING in foo": Verdict.REGRESSED}
    outcome, why = judge_pair(tests, ("*",))
    assert outcome is Outcome.REGRESSED
    assert why == (
        "1 test regressed: warning: WARNING in foo "
        "(the kernel complains of it with the series only)"
    )
    assert [(one.base, one.patched) for one in tests if one.suite == "kernel"] == [(None, CRASH)]


@pytest.mark.parametrize("of", [{}, {"program": "p", "test": "t"}])
def test_what_the_kernel_complains_of_anyway_is_not_the_series(of: dict[str, str]) -> None:
    before = base(result("t", FAIL), complaints=(noted(**of),))
    tests = compare(before, patched(result("t", PASS), complaints=(noted(),)), DIGEST)
    assert tests[1].verdict is Verdict.STILL_FAILING
    assert judge_pair(tests, ("*",))[0] is Outcome.FIXED
    assert [(one.base, one.patched) for one in tests if one.suite == "kernel"] == [(CRASH, CRASH)]


def test_what_is_benign_or_a_test_tells_of_is_no_verdict_of_its_own() -> None:
    complaints = (noted(benign="known"), noted(program="p"))
    after = patched(result("t", PASS), complaints=complaints)
    assert by_test(compare(base(result("t", FAIL)), after, DIGEST)) == {"t": Verdict.FIXED}


def test_what_ran_on_neither_side_is_missed() -> None:
    unrun = result("mlock (test 2 of 2)", ERROR, message="did not run: because")
    before, after = base(result("t", FAIL), unrun), patched(result("t", PASS), unrun)
    tests = compare(before, after, DIGEST)
    assert (tests[1].verdict, tests[1].test) == (Verdict.INCONCLUSIVE, "")
    assert judge_pair(tests, ("*",))[0] is Outcome.INCONCLUSIVE


def test_a_death_where_nothing_ran_without_the_series_is_no_regression() -> None:
    elsewhere = result("t", filesystem="xfs-dax")
    verdicts = compare(base(elsewhere), patched(elsewhere, result("mlock", CRASH)), DIGEST)
    assert by_test(verdicts)["mlock"] is Verdict.INCONCLUSIVE


def test_why_a_test_of_one_side_alone_says_nothing() -> None:
    def whys(before: JobRecord, after: JobRecord) -> dict[str, str]:
        return {each.test: each.why for each in compare(before, after, DIGEST)}

    both = result("t")
    assert whys(base(both, result("b", FAIL)), patched(both)) == {
        "t": "",
        "b": "patched has no such result",
    }
    assert whys(base(both), patched(both, result("p"))) == {
        "t": "",
        "p": "base has no such result",
    }
    # An error of ours is no result that the other side could lack.
    error = result("e", ERROR)
    assert whys(base(both, error), patched(both))["e"] == "an error of the lab's"
    assert whys(base(both), patched(both, error))["e"] == "an error of the lab's"


def test_all_that_is_known_of_a_test_of_a_kernel_alone() -> None:
    said = result("t", FAIL, message="1 of 1024", program="mlock")
    place = ("6.1", "ext4-dax", "mlock", "t")
    more: dict[str, Any] = {"said": ("1 of 1024", ""), "program": "mlock"}
    assert alone(base(said)) == (
        TestVerdict(*place, FAIL, None, Verdict.NOT_APPLICABLE, "", **more),
    )
    dead = replace(said, status=TIMEOUT)
    assert alone(base(dead)) == (
        TestVerdict(*place, TIMEOUT, None, Verdict.INCONCLUSIVE, "timeout", **more),
    )
    ours = replace(said, status=ERROR)
    assert alone(base(ours))[0].why == "an error of the lab's"
    (unproved,) = alone(base(said, evidence=replace(BASE, proofs=())))
    assert unproved.why == "nothing proves that it was DAX"


def test_a_kernel_alone_whose_tests_did_not_all_run_is_not_said_to_be_fixed() -> None:
    lost = result("q", Status.ERROR, message="did not run: enough", unrun=Unrun.ENOUGH)
    tests = alone(base(result("a"), lost))
    outcome, why = judge_upstream(tests, ("*",))
    assert outcome is Outcome.INCONCLUSIVE
    assert "not all of its tests ran" in why
