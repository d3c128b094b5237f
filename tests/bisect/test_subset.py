# SPDX-License-Identifier: GPL-2.0-only
"""The search of a set, on sets that are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from lab.bisect.point import Point
from lab.bisect.search import Found, Undecided
from lab.bisect.set_words import which
from lab.bisect.subset import SubsetSearch, spelled
from lab.bisect.told import Side, Told
from tests.bisect.played import played

PARTS = tuple(f"CONFIG_{n}" for n in range(100))


def _search(parts: tuple[str, ...] = PARTS) -> SubsetSearch:
    return SubsetSearch(parts, lambda some: spelled("option", some, parts))


def _with(*needed: str) -> Callable[[Point], Side]:
    return lambda point: Side.NEW if set(needed) <= set(point.parts) else Side.OLD


@pytest.mark.parametrize("one", [0, 1, 37, 64, 99])
def test_one_option_among_100(one: int) -> None:
    found, steps = played(_search(), _with(PARTS[one]))
    assert found == Found(Point(PARTS[one], PARTS[one], parts=(PARTS[one],)))
    assert len(steps) <= 14


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 99), (30, 70), (49, 50)])
def test_two_that_are_needed_together(one: int, other: int) -> None:
    found, steps = played(_search(), _with(PARTS[one], PARTS[other]))
    assert isinstance(found, Found)
    assert found.point.parts == (PARTS[one], PARTS[other])
    assert len(steps) <= 80


def test_every_pair_of_seven() -> None:
    for pair in combinations(PARTS[:7], 2):
        found, _ = played(_search(PARTS[:7]), _with(*pair))
        assert isinstance(found, Found)
        assert found.point.parts == pair


def test_what_needs_another_option_is_found_with_sets_that_cannot_be_tested() -> None:
    """An option that does not stick without another: such a set says nothing."""

    def side_of(point: Point) -> Side:
        if PARTS[3] in point.parts and PARTS[80] not in point.parts:
            return Side.SKIP
        return _with(PARTS[3])(point)

    found, _ = played(_search(), side_of)
    assert isinstance(found, Undecided)
    assert [point.key for point in found.points] == [PARTS[3], PARTS[80]]


def test_sets_that_cannot_be_tested_are_no_answer() -> None:
    found, _ = played(_search(PARTS[:5]), lambda _: Side.SKIP)
    assert isinstance(found, Undecided)
    assert [point.key for point in found.points] == list(PARTS[:5])


def test_before_a_pair_is_each_of_it_and_before_one_is_nothing() -> None:
    search = _search()
    pair = spelled("option", PARTS[:2], PARTS)
    assert [point.parts for point in search.before(pair)] == [PARTS[1:2], PARTS[:1]]
    assert [point.name for point in search.before(search.before(pair)[0])] == [
        "none of 100 options"
    ]


def test_what_else_a_pair_could_be_is_one_of_it() -> None:
    search = _search()
    told = [Told(search.point((part,)), Side.OLD) for part in PARTS[:2]]
    assert search.doubts(told, search.point(PARTS[:2])) == [(PARTS[1],), (PARTS[0],)]
    assert search.doubts(told, search.point(PARTS[:1])) == []


def test_two_sets_of_as_many_parts_are_told_apart_in_a_line_of_80_columns() -> None:
    """Those that a search asks for: else eight steps of eighty options look the same."""
    search = _search()
    sets = [point.parts for pieces in (2, 4, 8, 16, 50) for point in _pieces(search, pieces)]
    shown = [f"lab: step: {search.point(parts)}, 100 left" for parts in dict.fromkeys(sets)]
    assert len(set(shown)) == len(shown)
    assert max(map(len, shown)) <= 80
    assert f"{search.point(PARTS[25:50])}" == '25 of 100 options ("25 to 49")'
    assert f"{search.point(PARTS[:98])}" == '98 of 100 options ("all but 98, 99")'
    assert f"{search.point(PARTS)}" == "100 of 100 options"


def _pieces(search: SubsetSearch, count: int) -> Iterator[Point]:
    size = len(PARTS) // count
    for begin in range(0, len(PARTS), size):
        yield search.point(PARTS[begin : begin + size])
        yield search.point(PARTS[:begin] + PARTS[begin + size :])


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("ab", "CONFIG_ALPHA=y, CONFIG_BETA=m"),
        ("abc", "ALPHA=y, BETA=m, GAMMA=y"),
        ("abcdf", "all but EPSILON=y"),
        ("abde", "by number 1 to 2, 4 to 5"),
    ],
)
def test_a_set_has_whole_names_where_they_fit_and_less_of_them_where_not(
    chosen: str, said: str
) -> None:
    names = ("ALPHA=y", "BETA=m", "GAMMA=y", "DELTA=y", "EPSILON=y", "ZETA_WITH_A_LONG_NAME=y")
    among = tuple(f"CONFIG_{name}" for name in names)
    parts = [among["abcdef".index(letter)] for letter in chosen]
    assert which(parts, among, 25 if chosen == "abde" else 44) == said
