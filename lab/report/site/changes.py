# SPDX-License-Identifier: GPL-2.0-only
"""What changed since the baseline, in as few lines as it can be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.config.model import Status
from lab.report.site.mark import mark
from lab.report.site.names import count
from lab.report.site.view import Cell, Report, kernel_page, test_page
from lab.results.compare import Change, Compared, TestKey

_WORDS = {
    Change.REGRESSED: ("✗", "regressed"),
    Change.FLAKY: ("~", "flaky"),
    Change.INFRASTRUCTURE: ("E", "lab error"),
    Change.GONE: ("?", "gone"),
    Change.CHANGED: ("≠", "changed"),
    Change.NEW: ("+", "new"),
    Change.FIXED: ("✓", "fixed"),
}
#: What a suite's tests become together, for one reason that is worth one line.
_TOGETHER = (Change.NEW, Change.GONE, Change.INFRASTRUCTURE)


@dataclass(frozen=True)
class Place:
    """Where something ended so, and the page that tells of it."""

    text: str
    href: str


@dataclass(frozen=True)
class Row:
    """Tests that became the same thing; ``bad`` is what nobody expected."""

    css: str
    sign: str
    word: str
    what: str
    href: str
    places: tuple[Place, ...]
    ends: str
    why: str
    bad: bool


@dataclass(frozen=True)
class Kind:
    """One kind of change, and its rows."""

    css: str
    sign: str
    word: str
    tests: int
    rows: tuple[Row, ...]


def changed(report: Report) -> tuple[Kind, ...]:
    """What became of tests, the kinds that matter most first; what stayed the same is left out."""
    if report.comparison is None:
        return ()
    cells = {cell.key: cell for cell in report.cells}
    kinds = []
    for change in _WORDS:
        tests = report.comparison.of(change)
        if tests:
            together = _together(tests)
            told = {id(test) for found in together for test in found}
            left = [test for test in tests if id(test) not in told]
            rows = (*_single(change, left, cells), *(_whole_row(change, t) for t in together))
            kinds.append(Kind(change.value, *_WORDS[change], len(tests), rows))
    return tuple(kinds)


def unchanged_surprises(report: Report) -> tuple[Row, ...]:
    """What is not as expected, and not among the changes."""
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in report.cells:
        if cell.mark.odd and cell.change is None:
            key = (cell.key.suite, cell.key.test, cell.mark.word, cell.result.message)
            groups.setdefault(key, []).append(cell)
    worst_first = sorted(groups.values(), key=lambda cells: cells[0].mark.rank)
    return tuple(map(_surprise, worst_first))


def _surprise(cells: Sequence[Cell]) -> Row:
    first = cells[0]
    places = tuple(Place(_where(cell.key), cell.href) for cell in cells)
    ends = f"{first.result.status} (expected {first.result.expected})"
    return Row(
        first.mark.css,
        first.mark.sign,
        first.result.status.value,
        first.key.test,
        test_page(first.key.suite, first.key.test),
        places,
        ends,
        first.result.message,
        True,
    )


def _together(tests: Iterable[Compared]) -> list[list[Compared]]:
    """Tests of one suite's run that came, went or were lost for one reason, with no surprise."""
    groups: dict[tuple[str, ...], list[Compared]] = {}
    for test in tests:
        if test.change in _TOGETHER and not test.surprising:
            groups.setdefault((*test.key.group, test.why), []).append(test)
    return [found for found in groups.values() if len(found) > 1]


def _whole_row(change: Change, tests: Sequence[Compared]) -> Row:
    key = tests[0].key
    sign, word = _WORDS[change]
    missing = not any(test.after for test in tests)
    why = tests[0].why or ("not in this run" if missing else "as expected")
    href = "" if missing else kernel_page(key.variant)
    what = f"{key.suite}: {count(len(tests), 'test')}"
    place = Place(_where(key), href)
    return Row(change.value, sign, word, what, "", (place,), "", why, False)


def _single(
    change: Change, tests: Iterable[Compared], cells: Mapping[TestKey, Cell]
) -> Iterator[Row]:
    """Tests of one name that became the same for the same reason: one row."""
    alike: dict[tuple[str, ...], list[Compared]] = {}
    for test in tests:
        ends = test.line().partition("  (")[0]
        alike.setdefault((test.key.suite, test.key.test, ends, test.why), []).append(test)
    worst_first = sorted(alike.items(), key=lambda item: _rank(item[1]))
    for (suite, name, ends, why), found in worst_first:
        yield _row(change, suite, name, ends, why, found, cells)


def _rank(tests: Sequence[Compared]) -> int:
    marks = [mark(result.status, result.expected) for test in tests for result in test.after]
    return min((found.rank for found in marks), default=0)


def _row(
    change: Change,
    suite: str,
    name: str,
    ends: str,
    why: str,
    tests: Sequence[Compared],
    cells: Mapping[TestKey, Cell],
) -> Row:
    sign, word = _WORDS[change]
    places = tuple(Place(_where(t.key), cells[t.key].href if t.key in cells else "") for t in tests)
    said = next((r.message for t in tests for r in t.after if r.status is not Status.PASS), "")
    text = "; ".join(filter(None, (why, said)))
    bad = any(not r.as_expected for t in tests for r in t.after)
    href = test_page(suite, name) if tests[0].after else ""
    return Row(change.value, sign, word, name, href, places, ends, text, bad)


def _where(key: TestKey) -> str:
    special = [value for value in (key.machine, key.config) if value != "default"]
    return " ".join([key.variant, *special, "·", key.filesystem])
