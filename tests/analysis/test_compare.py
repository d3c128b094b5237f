# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side: no change is hidden, and none is made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lab.analysis.compare import Change, Comparison, compare
from lab.errors import ExitStatus
from lab.model.complaint import Complaint, Kind
from lab.model.records import JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant
from lab.report.changes import comparison_lines
from tests.results.made import EVIDENCE, job, result, run, untested

PASS, FAIL, SKIP, CRASH, TIMEOUT, ERROR = (Status(name) for name in Status)


def ran(build: str, *results: TestResult, **more: Any) -> JobRecord:
    return replace(job(*results, **more), evidence=replace(EVIDENCE, build_key=build))


def runs(a: JobRecord, b: JobRecord) -> tuple[RunRecord, RunRecord]:
    return run(a, id="A"), run(b, id="B")


def both(before: TestResult, after: TestResult) -> Comparison:
    # A run in which everything was skipped is a trouble of its own.
    bystander = result("bystander")
    return compare(*runs(ran("1", before, bystander), ran("2", after, bystander)))


def change_of(comparison: Comparison, test: str = "t") -> Change:
    (found,) = [compared for compared in comparison.tests if compared.key.test == test]
    return found.change


@pytest.mark.parametrize(
    ("before", "after", "change", "status"),
    [
        (PASS, PASS, Change.SAME, ExitStatus.EXPECTED),
        (FAIL, FAIL, Change.SAME, ExitStatus.EXPECTED),
        (PASS, FAIL, Change.REGRESSED, ExitStatus.UNEXPECTED),
        (PASS, CRASH, Change.REGRESSED, ExitStatus.UNEXPECTED),
        (PASS, TIMEOUT, Change.REGRESSED, ExitStatus.UNEXPECTED),
        (FAIL, PASS, Change.FIXED, ExitStatus.EXPECTED),
        (CRASH, PASS, Change.FIXED, ExitStatus.EXPECTED),
        (TIMEOUT, PASS, Change.FIXED, ExitStatus.EXPECTED),
        (FAIL, CRASH, Change.CHANGED, ExitStatus.UNEXPECTED),
        (PASS, SKIP, Change.CHANGED, ExitStatus.UNEXPECTED),
        (FAIL, SKIP, Change.CHANGED, ExitStatus.UNEXPECTED),
        (SKIP, FAIL, Change.CHANGED, ExitStatus.UNEXPECTED),
        (SKIP, PASS, Change.CHANGED, ExitStatus.EXPECTED),
    ],
)
def test_one_test(before: Status, after: Status, change: Change, status: ExitStatus) -> None:
    comparison = both(result("t", before), result("t", after))
    assert change_of(comparison) is change
    assert comparison.status is status


@pytest.mark.parametrize("other", list(Status))
def test_an_error_is_never_the_kernels(other: Status) -> None:
    """Neither a regression, nor a fix, whatever stands on the other side."""
    for comparison in (
        both(result("t", other), result("t", ERROR)),
        both(result("t", ERROR), result("t", other, expected=other)),
    ):
        assert change_of(comparison) is Change.INFRASTRUCTURE
        assert comparison.status is ExitStatus.INFRASTRUCTURE


KILLED = result("t", ERROR, message="was killed by SIGBUS", signal="SIGBUS")

BROKEN = result("t", ERROR, message="TBROK: no", broke_off="TBROK")


@pytest.mark.parametrize(
    ("before", "after", "change", "status"),
    [
        (result("t"), BROKEN, Change.REGRESSED, ExitStatus.UNEXPECTED),
        (BROKEN, result("t"), Change.FIXED, ExitStatus.EXPECTED),
        (result("t"), KILLED, Change.REGRESSED, ExitStatus.UNEXPECTED),
        (KILLED, result("t"), Change.FIXED, ExitStatus.EXPECTED),
        (KILLED, KILLED, Change.SAME, ExitStatus.EXPECTED),
        (result("t", FAIL), KILLED, Change.CHANGED, ExitStatus.UNEXPECTED),
        (result("t", ERROR), KILLED, Change.INFRASTRUCTURE, ExitStatus.UNEXPECTED),
        (KILLED, result("t", ERROR), Change.INFRASTRUCTURE, ExitStatus.INFRASTRUCTURE),
    ],
)
def test_that_a_signal_killed_a_program_is_a_word_on_the_kernel(
    before: TestResult, after: TestResult, change: Change, status: ExitStatus
) -> None:
    comparison = both(before, after)
    assert change_of(comparison) is change
    assert comparison.status is status


def test_a_program_that_was_killed_regressed_and_its_tests_are_gone() -> None:
    whole = replace(KILLED, test="mlock")
    comparison = compare(*runs(ran("1", result("a"), result("b")), ran("2", result("a"), whole)))
    assert {test.key.test: test.change for test in comparison.tests} == {
        "a": Change.SAME,
        "b": Change.GONE,
        "mlock": Change.REGRESSED,
    }
    assert [test.why for test in comparison.of(Change.GONE)] == ["mlock: SIGBUS"]


def test_a_killed_program_that_passes_again_in_the_same_run_is_flaky() -> None:
    comparison = compare(*runs(ran("1", result("t")), ran("2", KILLED, result("t"))))
    assert change_of(comparison) is Change.FLAKY


def test_an_error_that_is_new_is_no_new_test() -> None:
    comparison = compare(*runs(ran("1", result("t")), ran("2", result("t"), result("u", ERROR))))
    assert change_of(comparison, "u") is Change.INFRASTRUCTURE
    assert comparison.status is ExitStatus.INFRASTRUCTURE


def test_a_failure_after_an_error_still_counts() -> None:
    comparison = both(result("t", ERROR), result("t", FAIL))
    assert change_of(comparison) is Change.INFRASTRUCTURE
    assert comparison.status is ExitStatus.UNEXPECTED


def test_gone_and_new() -> None:
    comparison = compare(*runs(ran("1", result("old")), ran("2", result("young"))))
    assert change_of(comparison, "old") is Change.GONE
    assert change_of(comparison, "young") is Change.NEW
    assert comparison.status is ExitStatus.UNEXPECTED
    new = compare(*runs(ran("1", result("t")), ran("2", result("t"), result("young"))))
    assert new.status is ExitStatus.EXPECTED
    bad = compare(*runs(ran("1", result("t")), ran("2", result("t"), result("young", FAIL))))
    assert change_of(bad, "young") is Change.NEW
    assert bad.status is ExitStatus.UNEXPECTED


def test_what_was_not_tested_again_says_why() -> None:
    comparison = compare(*runs(ran("1", result("t")), untested("6.1")))
    assert [test.why for test in comparison.of(Change.GONE)] == [
        "not tested: the binary is the same"
    ]


def test_a_program_that_died_regressed_and_its_tests_are_gone() -> None:
    before = ran("1", result("t"), result("u"))
    after = ran("2", result("t"), result("mlock", CRASH, message="panic"))
    comparison = compare(*runs(before, after))
    assert change_of(comparison, "mlock") is Change.REGRESSED
    assert change_of(comparison, "u") is Change.GONE
    assert comparison.of(Change.GONE)[0].why == "mlock: crash"


def test_what_the_lab_lost_is_not_gone() -> None:
    before = ran("1", result("t"), result("u"))
    for after, why in (
        (ran("2", result("t"), result("mlock", ERROR, message="planned 2")), "planned 2"),
        (ran("2", error="no space\nleft"), "no space"),
    ):
        comparison = compare(*runs(before, after))
        assert change_of(comparison, "u") is Change.INFRASTRUCTURE
        assert why in comparison.of(Change.INFRASTRUCTURE)[0].why + str(comparison.tests)
        assert not comparison.of(Change.GONE)
        assert comparison.status is ExitStatus.INFRASTRUCTURE
    a, b = runs(before, ran("2", result("t")))
    unfinished = compare(a, replace(b, finished=None))
    assert change_of(unfinished, "u") is Change.INFRASTRUCTURE
    assert "did not finish" in unfinished.troubles[0]


def test_a_job_that_could_not_be_done_is_told_even_without_tests() -> None:
    comparison = compare(*runs(ran("1", result("t")), ran("2", result("t"), error="QEMU died")))
    assert change_of(comparison) is Change.SAME
    assert comparison.status is ExitStatus.INFRASTRUCTURE
    assert "QEMU died" in comparison.troubles[0]


def test_one_setup_with_two_ends_is_flaky() -> None:
    within = compare(
        run(ran("1", result("t")), id="A"),
        run(ran("2", result("t")), ran("2", result("t", FAIL)), id="B"),
    )
    assert change_of(within) is Change.FLAKY
    assert within.tests[0].line().startswith("pass → pass, fail")
    across = compare(*runs(ran("1", result("t")), ran("1", result("t", FAIL))))
    assert change_of(across) is Change.FLAKY
    assert within.status is across.status is ExitStatus.UNEXPECTED


def test_another_qemu_is_another_setup_and_is_told() -> None:
    a, b = ran("1", result("t")), ran("1", result("t", FAIL))
    b = replace(b, evidence=replace(b.evidence, qemu_version="8.0"))
    comparison = compare(*runs(a, b))
    assert change_of(comparison) is Change.REGRESSED
    assert comparison.notes == ("QEMU: 7.2.17 → 8.0",)


def test_without_a_build_nothing_is_called_the_same() -> None:
    comparison = compare(*runs(ran("", result("t")), ran("", result("t", FAIL))))
    assert change_of(comparison) is Change.REGRESSED


def test_a_test_known_to_be_unstable_is_flaky() -> None:
    a, b = runs(ran("1", result("t"), result("u")), ran("2", result("t", FAIL), result("u", FAIL)))
    key = compare(a, b).tests[0].key
    comparison = compare(a, b, unstable={key})
    assert change_of(comparison, "t") is Change.FLAKY
    assert change_of(comparison, "u") is Change.REGRESSED


@pytest.mark.parametrize("what", ["variant", "filesystem", "suite", "test", "machine", "config"])
def test_only_the_same_test_is_compared(what: str) -> None:
    before, after = result("t"), result("t", FAIL)
    a, b = ran("1", before), ran("2", after)
    other: dict[str, Any] = {what: "other"}
    if what in ("machine", "config"):
        b = replace(b, **other)
    else:
        b = replace(b, results=(replace(after, **other),))
    counts = compare(*runs(a, b)).counts
    assert (counts[Change.NEW], counts[Change.GONE]) == (1, 1)
    assert counts[Change.REGRESSED] == 0


def test_every_test_of_either_run_is_there() -> None:
    names = [f"t{number}" for number in range(6)]
    a = ran("1", *(result(name, status) for name, status in zip(names, Status, strict=True)))
    b = ran("2", *(result(name) for name in names[3:]), result("more"))
    comparison = compare(*runs(a, b))
    assert {compared.key.test for compared in comparison.tests} == {*names, "more"}
    assert sum(comparison.counts.values()) == 7
    document = json.loads(json.dumps(comparison.to_json()))
    assert len(document["tests"]) == 7 - comparison.counts[Change.SAME]


def complaining(record: JobRecord, **more: Any) -> JobRecord:
    noted = PlacedComplaint(
        Complaint(Kind.WARNING, "WARNING in dax_unlock", ("WARNING: at x",)), **more
    )
    return replace(record, complaints=(noted,))


def test_what_the_kernel_complains_of_is_compared_too() -> None:
    quiet, loud = ran("1", result("t")), complaining(ran("2", result("t")))
    worse = compare(*runs(quiet, loud))
    (found,) = worse.of(Change.REGRESSED)
    assert "WARNING in dax_unlock" in found.key.test
    assert worse.status is ExitStatus.UNEXPECTED
    better = compare(*runs(loud, quiet))
    assert better.counts[Change.FIXED] == 1
    assert better.status is ExitStatus.EXPECTED
    assert compare(*runs(loud, loud)).counts[Change.SAME] == 2
    assert compare(*runs(ran("2", result("t")), loud)).counts[Change.FLAKY] == 1


def test_a_complaint_is_not_gone_with_a_job_that_was_not_done() -> None:
    loud = complaining(ran("2", result("t")))
    undone = compare(*runs(loud, ran("3", result("t"), error="QEMU died")))
    assert undone.counts[Change.FIXED] == 0
    assert undone.counts[Change.INFRASTRUCTURE] == 1
    other = compare(*runs(loud, replace(ran("3", result("t")), variant=Variant("6.2"))))
    assert other.counts[Change.FIXED] == 0


def test_complaints_that_a_test_tells_of_or_that_are_benign_are_not_compared() -> None:
    quiet = ran("1", result("t"))
    for loud in (
        complaining(ran("2", result("t")), benign="known"),
        complaining(ran("2", result("t")), filesystem="ext4-dax", program="mlock"),
    ):
        assert compare(*runs(quiet, loud)).counts[Change.SAME] == 1
        assert len(compare(*runs(quiet, loud)).tests) == 1


def test_an_error_alone_is_no_word_on_the_kernel() -> None:
    comparison = compare(*runs(ran("1", result("t")), ran("2", result("t", Status.ERROR))))
    assert (comparison.status, comparison.troubles) == (ExitStatus.INFRASTRUCTURE, ())


def test_two_empty_runs_prove_nothing() -> None:
    assert compare(run(id="A"), run(id="B")).status is ExitStatus.INFRASTRUCTURE


def of(program: str, status: Status, name: str = "open") -> TestResult:
    return result(name, status, program=program)


def changes(comparison: Comparison) -> dict[str, Change]:
    return {test.key.program: test.change for test in comparison.tests}


def test_two_programs_with_a_test_of_one_name() -> None:
    before = ran("1", of("dup-a", PASS), of("dup-b", PASS))
    comparison = compare(*runs(before, ran("2", of("dup-a", PASS), of("dup-b", FAIL))))
    assert changes(comparison) == {"dup-a": Change.SAME, "dup-b": Change.REGRESSED}
    assert comparison.to_json()["tests"][0]["program"] == "dup-b"
    assert "dup-b: open" in "\n".join(comparison_lines(comparison))
    lost = compare(*runs(before, ran("2", of("dup-a", PASS))))
    assert changes(lost) == {"dup-a": Change.SAME, "dup-b": Change.GONE}


def test_a_record_that_does_not_tell_programs_is_of_the_one_there_is() -> None:
    old, new = ran("1", of("", PASS)), ran("2", of("dup-a", FAIL))
    assert changes(compare(*runs(old, new))) == {"dup-a": Change.REGRESSED}
    assert changes(compare(*runs(new, old))) == {"dup-a": Change.FIXED}
    two = ran("2", of("dup-a", PASS), of("dup-b", FAIL))
    assert changes(compare(*runs(ran("1", of("", PASS)), two))) == {"": Change.FLAKY}


def setup(build: str = "1", **more: Any) -> JobRecord:
    around = (("recipe of ext4-dax", "mkfs.ext4 -b 4096"), ("recipe of xfs-dax", "mkfs.xfs"))
    evidence = replace(EVIDENCE, build_key=build, surroundings=around)
    return replace(job(result("t", more.pop("status", PASS))), evidence=replace(evidence, **more))


def test_another_recipe_is_told_and_is_no_flake() -> None:
    recipe = (("recipe of ext4-dax", "mkfs.ext4 -g 512"), ("recipe of xfs-dax", "mkfs.xfs"))
    comparison = compare(*runs(setup(), setup(surroundings=recipe, status=FAIL)))
    (found,) = comparison.tests
    assert found.change is Change.REGRESSED
    assert found.why == "not the kernel alone: recipe of ext4-dax"
    assert comparison.notes == ("recipe of ext4-dax: mkfs.ext4 -b 4096 → mkfs.ext4 -g 512",)
    assert tuple(map(str, found.setup)) == comparison.notes


def test_an_error_on_the_same_setup_is_no_flake() -> None:
    (found,) = compare(*runs(setup(), setup(status=ERROR))).tests
    assert found.change is Change.INFRASTRUCTURE


def test_another_compiler_is_told() -> None:
    comparison = compare(*runs(setup(compiler="gcc 12"), setup(compiler="gcc 13")))
    assert comparison.notes == ("compiler: gcc 12 → gcc 13",)


def test_the_recipe_of_another_filesystem_is_no_part_of_a_tests_setup() -> None:
    recipe = (("recipe of ext4-dax", "mkfs.ext4 -b 4096"), ("recipe of xfs-dax", "mkfs.xfs -f"))
    (found,) = compare(*runs(setup(), setup(surroundings=recipe, status=FAIL))).tests
    assert (found.change, found.setup) == (Change.FLAKY, ())


@pytest.mark.parametrize(
    "differs",
    [
        {"accelerator": "kvm"},
        {"qemu_version": "8.0"},
        {"machine_description": "other"},
        {"image_digest": "other"},
        {"programs": (("mlock", "1"),)},
        {"surroundings": (("recipe of ext4-dax", "mkfs.ext4 -b 4096"), ("CPU", "other"))},
    ],
)
def test_all_that_shapes_a_result_is_in_its_setup(differs: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "image_digest": "usual",
        "machine_description": "usual",
        "programs": (("mlock", "0"),),
        "surroundings": (("recipe of ext4-dax", "mkfs.ext4 -b 4096"), ("CPU", "max")),
    }
    (found,) = compare(*runs(setup(**usual), setup(**{**usual, **differs}, status=FAIL))).tests
    assert found.change is Change.REGRESSED
    assert len(found.setup) == 1
    assert found.why.startswith("not the kernel alone: ")


def test_another_host_is_told_and_is_no_other_kernel() -> None:
    """One build on two hosts of one QEMU: it did not regress by being carried over."""
    comparison = compare(*runs(setup(host="near"), setup(host="far", status=FAIL)))
    (found,) = comparison.tests
    assert found.change is Change.FLAKY
    assert found.why.startswith("not the kernel alone: host")
    assert comparison.notes == ("host: near → far",)


def test_another_host_is_told_where_the_kernel_is_another_too() -> None:
    (found,) = compare(*runs(setup(host="near"), setup("2", host="far", status=FAIL))).tests
    assert (found.change, found.why) == (Change.REGRESSED, "not the kernel alone: host")
    (found,) = compare(*runs(setup(), setup("2", host="far", status=FAIL))).tests
    assert (found.change, found.why) == (Change.REGRESSED, "")


def test_a_setup_that_is_not_recorded_whole_proves_no_flake() -> None:
    (found,) = compare(*runs(setup(surroundings=()), setup(status=FAIL))).tests
    assert (found.change, found.setup) == (Change.REGRESSED, ())


def test_one_test_as_json_and_as_a_line() -> None:
    before = ran("1", result("t", program="mlock"), machine="big", config="small")
    worse = result("t", FAIL, program="mlock", expected=SKIP, message="no memory")
    after = ran("2", worse, machine="big", config="small")
    after = replace(after, evidence=replace(after.evidence, qemu_version="8.0"))
    comparison = compare(*runs(before, after))
    assert comparison.to_json() == {
        "a": "A",
        "b": "B",
        "exit_status": 1,
        "counts": {change.value: int(change is Change.REGRESSED) for change in Change},
        "notes": ["QEMU: 7.2.17 → 8.0"],
        "troubles": [],
        "tests": [
            {
                "variant": "6.1",
                "machine": "big",
                "config": "small",
                "filesystem": "ext4-dax",
                "suite": "mlock",
                "program": "mlock",
                "test": "t",
                "change": "regressed",
                "before": ["pass"],
                "after": ["fail"],
                "expected": "skip",
                "message": "no memory",
                "why": "not the kernel alone: QEMU",
                "setup": ["QEMU: 7.2.17 → 8.0"],
            }
        ],
    }
    assert comparison.tests[0].line() == "pass → fail  (not the kernel alone: QEMU)"
    assert both(result("t"), result("t", FAIL)).tests[0].line() == "pass → fail"


def test_a_job_that_could_not_be_done_is_in_the_json() -> None:
    comparison = compare(*runs(ran("1", result("t")), ran("2", error="QEMU died\nthere")))
    document = comparison.to_json()
    assert document["troubles"] == ["B: 6.1 default default: QEMU died"]
    assert document["tests"][0]["expected"] == "pass"


def test_no_result_is_lost_where_records_tell_programs_in_part() -> None:
    """One side has such a test without a program beside two of programs."""
    old = ran("1", of("", PASS))
    new = ran("2", of("", FAIL), of("dup-a", PASS), of("dup-b", PASS))
    (found,) = compare(*runs(old, new)).tests
    assert [one.status for one in found.after] == [FAIL, PASS, PASS]
    mixed = ran("1", of("", FAIL), of("dup-a", PASS))
    (found,) = compare(*runs(mixed, ran("2", of("dup-a", PASS)))).tests
    assert [one.status for one in found.before] == [PASS, FAIL]


def test_a_flake_is_known_though_a_record_does_not_tell_its_program() -> None:
    (key,) = compare(*runs(ran("1", of("dup-a", PASS)), ran("2", of("dup-a", PASS)))).tests
    older = runs(ran("1", of("", PASS)), ran("2", of("", FAIL)))
    assert changes(compare(*older, unstable={key.key})) == {"": Change.FLAKY}
    (found,) = compare(*older, unstable={key.key}).tests
    assert found.why == "it has been so before"
    newer = runs(ran("1", of("dup-a", PASS)), ran("2", of("dup-a", FAIL)))
    assert changes(compare(*newer, unstable={key.key})) == {"dup-a": Change.FLAKY}
    # Of another program's nobody knows that.
    other = runs(ran("1", of("dup-b", PASS)), ran("2", of("dup-b", FAIL)))
    assert changes(compare(*other, unstable={key.key})) == {"dup-b": Change.REGRESSED}


@pytest.mark.parametrize(("turned", "change"), [(False, Change.NEW), (True, Change.GONE)])
def test_a_complaint_of_a_job_that_one_run_alone_has(turned: bool, change: Change) -> None:
    """Whether it complained there before, nobody can say."""
    quiet, loud = runs(ran("1", result("t")), complaining(ran("2", variant="6.2")))
    comparison = compare(loud, quiet) if turned else compare(quiet, loud)
    (found,) = [one for one in comparison.tests if one.key.is_complaint]
    assert (found.change, found.why) == (change, "")
    assert comparison.status is ExitStatus.UNEXPECTED
