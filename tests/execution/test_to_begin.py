# SPDX-License-Identifier: GPL-2.0-only
"""In which order a run's jobs begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from lab.execution.same_kernel import Bases
from lab.execution.to_begin import ToBegin
from lab.model.variant import Variant
from lab.plan import BuildRequest, JobPlan, Plan

NAMES = ("a", "a+s", "b", "b+s", "c")
PLAN = Plan("p", tuple(JobPlan(Variant(name), "c", "m", ("f",), ("s",)) for name in NAMES))


def jobs(there: set[str], pairs: bool = False) -> Any:
    """Jobs of which some have their build."""
    bases = {Variant("a+s"): Variant("a"), Variant("b+s"): Variant("b")} if pairs else {}

    def is_there(build: BuildRequest) -> bool:
        return str(build.variant) in there

    return SimpleNamespace(plan=PLAN, bases=Bases(bases), builds=SimpleNamespace(is_there=is_there))


def lasted(**seconds: float) -> dict[tuple[str, str, str], float]:
    return {(name.replace("_", "+"), "m", "c"): took for name, took in seconds.items()}


def names(left: ToBegin) -> Iterator[str]:
    while (number := left.next()) is not None:
        yield NAMES[number]


def test_the_plans_order_where_nothing_is_known() -> None:
    assert tuple(names(ToBegin(jobs(set(NAMES)), range(5), {}))) == NAMES


def test_the_longest_first_and_what_is_not_known_before_it() -> None:
    known = lasted(a=1.0, a_s=5.0, b=3.0, b_s=4.0)
    found = tuple(names(ToBegin(jobs(set(NAMES)), range(5), known)))
    assert found == ("c", "a+s", "b+s", "b", "a")


def test_what_is_compared_goes_together_its_base_first() -> None:
    """A patched kernel that is its base again need not run: it has to be known by then."""
    known = lasted(a=1.0, a_s=5.0, b=3.0, b_s=4.0, c=2.0)
    found = tuple(names(ToBegin(jobs(set(NAMES), pairs=True), range(5), known)))
    assert found == ("b", "b+s", "a", "a+s", "c")


def test_only_what_is_built_and_each_once() -> None:
    there = {"c"}
    left = ToBegin(jobs(there), (0, 2, 4), lasted(a=9.0, b=3.0, c=1.0))
    assert tuple(names(left)) == ("c",)
    assert left
    there.update(("a", "b"))
    assert tuple(names(left)) == ("a", "b")
    assert not left


def test_jobs_of_one_build_come_with_it() -> None:
    twice = replace(PLAN, jobs=(PLAN.jobs[0], replace(PLAN.jobs[0], machine="n"), PLAN.jobs[2]))
    made = jobs({"a"})
    made.plan = twice
    left = ToBegin(made, range(3), {})
    assert [left.next() for _ in range(3)] == [0, 1, None]
