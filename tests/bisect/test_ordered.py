# SPDX-License-Identifier: GPL-2.0-only
"""The search of an order, on histories that are played."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.bisect.ordered import OrderedSearch
from lab.bisect.point import Point
from lab.bisect.search import Found, Undecided
from lab.bisect.told import Side, Told
from tests.bisect.played import Graph, played, row

COUNT = 1024


def _search(count: int = COUNT) -> OrderedSearch:
    return OrderedSearch(row(count), ("0",), str(count))


def _from(first: int, cannot: range = range(0)) -> Callable[[Point], Side]:
    """Points on the new side from one on, but for those that cannot be tested."""

    def side_of(point: Point) -> Side:
        number = int(point.key)
        if number in cannot:
            return Side.SKIP
        return Side.NEW if number >= first else Side.OLD

    return side_of


@pytest.mark.parametrize("first", [1, 2, 3, 511, 512, 513, 700, 1023, 1024])
def test_each_step_halves_what_is_left(first: int) -> None:
    found, steps = played(_search(), _from(first))
    assert found == Found(Point(str(first), f"commit {first}"))
    assert len(steps) <= 10


def test_the_ends_are_not_asked_for() -> None:
    for count in range(1, 20):
        for first in range(1, count + 1):
            found, steps = played(_search(count), _from(first))
            assert isinstance(found, Found)
            assert found.point.key == str(first)
            assert not {"0", str(count)} & {one.point.key for one in steps}


@pytest.mark.parametrize("first", [1, 300, 411, 613, 900, 1024])
def test_200_in_a_row_that_cannot_be_tested_cost_a_logarithm(first: int) -> None:
    found, steps = played(_search(), _from(first, range(412, 612)))
    assert isinstance(found, Found)
    assert found.point.key == str(first)
    assert len(steps) <= 25


@pytest.mark.parametrize("first", [412, 500, 611, 612])
def test_a_change_within_what_cannot_be_tested_is_one_of_these(first: int) -> None:
    found, steps = played(_search(), _from(first, range(412, 612)))
    assert isinstance(found, Undecided)
    assert [point.key for point in found.points] == [str(n) for n in range(412, 613)]
    assert len(steps) <= 50


@pytest.mark.parametrize("first", [5, 341, 684, 1000])
def test_a_third_of_all_that_fails_otherwise_hides_nothing_outside_it(first: int) -> None:
    found, steps = played(_search(), _from(first, range(342, 683)))
    assert isinstance(found, Found)
    assert found.point.key == str(first)
    assert len(steps) <= 30


def test_single_ones_that_cannot_be_tested_cost_few_steps_each() -> None:
    cannot = {512, 256, 768, 700, 701, 703}
    found, steps = played(
        _search(), lambda point: Side.SKIP if int(point.key) in cannot else _from(702)(point)
    )
    assert isinstance(found, Undecided)
    assert [point.key for point in found.points] == ["700", "701", "702"]
    assert len(steps) <= 25


def test_few_that_all_cannot_be_tested_are_all_tried() -> None:
    found, steps = played(_search(20), lambda _: Side.SKIP)
    assert isinstance(found, Undecided)
    assert len(found.points) == 20
    assert len(steps) == 19


def test_1023_that_all_cannot_be_tested_are_not_all_tried() -> None:
    found, steps = played(_search(), lambda _: Side.SKIP)
    assert isinstance(found, Undecided)
    assert len(found.points) == COUNT
    assert len(steps) <= 60


def test_a_failure_shows_that_a_pass_behind_it_was_chance() -> None:
    search = _search(16)
    told = [Told(Point("8", ""), Side.OLD), Told(Point("9", ""), Side.NEW)]
    assert search.next(told) == Found(Point("9", "commit 9"))
    told.append(Told(Point("8", ""), Side.NEW))
    assert search.next(told) == Point("4", "commit 4")
    told += [Told(Point("7", ""), Side.OLD)]
    assert search.next(told) == Found(Point("8", "commit 8"))


def test_doubts_are_what_would_have_to_fail_if_another_were_the_change() -> None:
    told = [Told(Point(key, ""), Side.OLD) for key in ("2", "4")]
    told.append(Told(Point("5", ""), Side.NEW))
    doubts = _search(8).doubts(told, Point("5", ""))
    assert doubts == [{"2", "4"}, {"2", "4"}, {"4"}, {"4"}]


def test_what_has_a_failure_in_its_history_has_the_bug_whatever_it_showed() -> None:
    line = row(8)
    search = OrderedSearch(line, ("0",), "8")
    told = [Told(line.points[2], Side.OLD), Told(line.points[3], Side.NEW)]
    told.append(Told(line.points[6], Side.OLD))
    assert set(search.behind(told, {"2", "6"})) == {"6"}
    # Of what was mended it is what comes before.
    mended = [Told(line.points[2], Side.NEW), Told(line.points[3], Side.OLD)]
    mended.append(Told(line.points[6], Side.NEW))
    assert set(search.behind(mended, {"2", "6"}, Side.OLD)) == {"2"}


#: A side branch of 40 leaves the main line at 10 and is merged at 60; another, which is older
#: than the old end, comes in at 80.
def _merged() -> Graph:
    parents: dict[str, tuple[str, ...]] = {"m0": ()}
    parents |= {f"old{n}": (f"old{n - 1}",) if n else ("m0",) for n in range(30)}
    parents |= {f"m{n}": (f"m{n - 1}",) for n in range(1, 60)}
    parents |= {f"side{n}": (f"side{n - 1}",) if n else ("m10",) for n in range(40)}
    parents["m60"] = ("m59", "side39")
    parents |= {f"m{n}": (f"m{n - 1}",) for n in range(61, 80)}
    parents["m80"] = ("m79", "old29")
    parents |= {f"m{n}": (f"m{n - 1}",) for n in range(81, 101)}
    return Graph(parents)


@pytest.mark.parametrize("first", ["m6", "m30", "m59", "side0", "side20", "side39", "m60", "old7"])
def test_a_change_is_found_on_either_side_of_a_merge(first: str) -> None:
    graph = _merged()
    search = OrderedSearch(graph, ("m5",), "m100")
    found, steps = played(
        search, lambda point: Side.NEW if first in graph.history(point.key) else Side.OLD
    )
    assert found == Found(Point(first, first))
    assert len(steps) <= 9
    before = {point.key for point in search.before(found.point)}
    assert before == set(graph.parents_of[first])


def test_a_merge_is_the_change_only_if_both_sides_are_old() -> None:
    graph = _merged()
    search = OrderedSearch(graph, ("m5",), "m100")
    found, steps = played(
        search, lambda point: Side.NEW if "m60" in graph.history(point.key) else Side.OLD
    )
    assert found == Found(Point("m60", "m60"))
    assert {"m59", "side39"} <= {one.point.key for one in steps if one.side is Side.OLD}


def test_doubts_of_a_merge_are_of_the_side_that_has_them() -> None:
    graph = _merged()
    told = [Told(Point(key, ""), Side.OLD) for key in ("m59", "side39")]
    search = OrderedSearch(graph, ("m58",), "m60")
    assert search.doubts(told, Point("m60", "")) == [{"m59"}, *[{"side39"}] * 40]


@pytest.mark.parametrize("told_first", [True, False])
def test_a_pass_that_a_failure_contradicts_was_chance(told_first: bool) -> None:
    """6 passed by chance: what fails at 3 holds, and the change is one of 1, 2 and 3."""
    line = row(8)
    search = OrderedSearch(line, ("0",), "8")
    passed, failed = Told(line.points[6], Side.OLD), Told(line.points[3], Side.NEW)
    told = [passed, failed] if told_first else [failed, passed]
    step = search.next(told)
    assert isinstance(step, Point)
    assert step.key in ("1", "2")
    assert search.left(told) == 3
    # Of what was mended it is the failure on the old side that holds.
    step = search.next(told, Side.OLD)
    assert isinstance(step, Point)
    assert step.key == "7"
