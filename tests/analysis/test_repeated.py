# SPDX-License-Identifier: GPL-2.0-only
"""Tests that were repeated, as those see them who want one result a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.analysis.compare import Change
from lab.analysis.compare import compare as compare_runs
from lab.analysis.repeated import pooled
from lab.analysis.verdict import compare
from lab.errors import ExitStatus
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant
from lab.nightly.baseline import put_together
from lab.plan import JobPlan, Plan
from lab.report.changes import history_lines
from lab.report.document import to_json
from lab.report.export.exporter import exported
from lab.report.site.page_data import make_report
from lab.results.past_endings import Trail
from lab.results.store import Store
from tests.analysis.test_verdict import DIGEST, base, patched
from tests.results.made import job, result, run

PASS, FAIL = Status.PASS, Status.FAIL


def times(passes: int, fails: int, **more: object) -> tuple[TestResult, ...]:
    statuses = [PASS] * passes + [FAIL] * fails
    return tuple(result("t", status, program="mlock", **more) for status in statuses)


@pytest.mark.parametrize(
    ("before", "after", "verdict", "why"),
    [
        ((0, 100), (100, 0), "fixed", ""),
        ((0, 1), (100, 0), "fixed", ""),
        ((100, 0), (100, 0), "still passing", ""),
        # It may have been luck.
        ((1, 99), (100, 0), "inconclusive", "base: 1/100 [0.2%, 5.4%]"),
        ((0, 100), (99, 1), "inconclusive", "patched: 99/100 [94.6%, 99.8%]"),
        ((0, 1), (99, 1), "inconclusive", "patched: 99/100 [94.6%, 99.8%]"),
        # It never did so without the series.
        ((100, 0), (99, 1), "regressed", "patched: 99/100 [94.6%, 99.8%]"),
        ((1, 0), (99, 1), "regressed", "patched: 99/100 [94.6%, 99.8%]"),
        ((99, 1), (98, 2), "inconclusive", "base: 99/100 [94.6%, 99.8%]; patched: 98/100"),
    ],
)
def test_a_verdict_takes_no_lucky_pass(
    before: tuple[int, int], after: tuple[int, int], verdict: str, why: str
) -> None:
    (found,) = compare(base(*times(*before)), patched(*times(*after)), DIGEST)
    assert (found.test, found.verdict) == ("t", verdict)
    assert why in found.why


def test_a_pass_as_the_surprise_is_no_steady_side() -> None:
    """What lab.toml expects to fail passed once: that regressed on nobody."""
    after = times(1, 99, expected=FAIL)
    (found,) = compare(base(*times(100, 0)), patched(*after), DIGEST)
    assert found.verdict == "regressed"


def mixed() -> JobRecord:
    return job(*times(99, 1), result("u", program="mlock"))


def test_a_comparison_calls_it_flaky() -> None:
    once = job(*times(1, 0), result("u", program="mlock"))
    found = compare_runs(run(once, id="a"), run(mixed(), id="b"))
    (t,) = found.of(Change.FLAKY)
    assert (t.key.test, t.ends) == ("t", "pass → 99 pass, 1 fail")
    assert found.status is ExitStatus.UNEXPECTED


def test_a_night_that_is_compared_with_it() -> None:
    """The last of its results is no last word."""
    luck = job(*times(0, 1), *times(99, 0))
    before = put_together("a", {"a": run(luck, id="a")}, {})
    ((found,),) = (one.results for one in before.run.jobs)
    assert (found.status, found.message) == (FAIL, "1 of 100")


def test_other_tools_get_one_result_a_test() -> None:
    junit = exported(run(mixed()), "junit")
    assert junit.count("<testcase") == 2
    assert 'failures="1"' in junit


def test_pages_have_one_result_a_test(tmp_path: Path) -> None:
    report = make_report(run(mixed()), Trail((), {}), None, ())
    ((group,),) = (job.groups for job in report.jobs)
    assert [(cell.result.test, cell.result.status) for cell in group.cells] == [
        ("t", FAIL),
        ("u", PASS),
    ]


def test_a_history_is_a_line_a_run(tmp_path: Path) -> None:
    recorded = run(mixed())
    with Store.open(tmp_path / "lab.db") as store:
        store.begin(recorded)
        store.add_job(recorded.id, mixed())
        lines = list(history_lines(store.history("t")))
        assert len(store.load(recorded.id).results) == 101
    assert len(lines) == 2
    assert lines[1].endswith("1 fail, 99 pass  as expected 99/100 [94.6%, 99.8%]")


def test_what_stood_alone_stays_as_it_was() -> None:
    one = run(job(result("t", FAIL, program="mlock"), result("t", program="populate")))
    assert pooled(one) == one
    # Without their programs nobody knows whether these are one test.
    two: RunRecord = run(job(result("t", FAIL), result("t")))
    assert pooled(two) == two


def test_the_document_has_rates() -> None:
    (found,) = to_json(run(mixed()))["repeated"]
    low, high = found.pop("interval")
    assert found == {
        "job": 0,
        "filesystem": "ext4-dax",
        "suite": "mlock",
        "program": "mlock",
        "test": "t",
        "as_expected": 99,
        "times": 100,
    }
    assert (round(low, 3), round(high, 3)) == (0.946, 0.998)
    assert to_json(run(job(result("t", program="mlock"))))["repeated"] == []


def test_a_plan_says_how_often() -> None:
    plan = Plan(
        "chosen", (JobPlan(Variant("6.1"), "default", "default", ("ext4-dax",), ("mlock",)),)
    )
    again = plan.repeated(100)
    assert again.describe()[0] == "chosen: 1 build, 1 guest, 100 suite runs"
    assert again.describe()[1].endswith("mlock on ext4-dax, 100 times")
    assert again.recorded().digest != plan.recorded().digest
    # A plan of before is the same plan.
    assert plan.repeated(1).recorded() == plan.recorded()
    assert "repeat" not in str(plan.to_json())
