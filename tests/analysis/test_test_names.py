# SPDX-License-Identifier: GPL-2.0-only
"""What tests are called where two programs of a suite share a name."""

from __future__ import annotations

from lab.analysis.series_verdict import judge_upstream
from lab.analysis.test_names import own_name, told_apart
from lab.analysis.verdict import alone
from lab.model.status import Outcome, Status
from tests.results.made import job, result, run

SHARED = (result("open", program="a"), result("open", program="b", status=Status.FAIL))
#: Its own name, and no program before it.
LOOKS_SO = result("a: close", program="a")


def test_a_name_that_is_shared_has_its_program_in_it_and_is_known_without() -> None:
    first, second, third = told_apart(run(job(*SHARED, LOOKS_SO))).results
    assert [one.test for one in (first, second, third)] == ["a: open", "b: open", "a: close"]
    assert [own_name(one) for one in (first, second, third)] == ["open", "open", "a: close"]


def test_what_a_series_is_about_is_a_name_as_the_program_has_it() -> None:
    tests = alone(job(*SHARED, LOOKS_SO))
    assert [(one.test, one.own) for one in tests] == [
        ("a: open", "open"),
        ("b: open", "open"),
        ("a: close", ""),
    ]
    assert judge_upstream(tests, ("open",))[0] is Outcome.INCONCLUSIVE
    assert judge_upstream(tests, ("a: close",))[0] is Outcome.UPSTREAM
    assert judge_upstream(tests, ("close",))[1] == "no test that it is about could run"
