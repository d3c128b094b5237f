# SPDX-License-Identifier: GPL-2.0-only
"""What changed since the baseline, in as few lines as it can be told."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.analysis.compare import Change, Compared
from lab.model.records import TestResult
from lab.model.status import Status
from lab.model.test_key import TestKey
from lab.report.cause import Cause, Spot, cause_in, group_causes, name_lines, said_cause
from lab.report.site.page_data import Cell, Report, kernel_page, test_page
from lab.report.site.page_names import count
from lab.report.site.status_mark import mark

#: What a suite's tests become together, for one reason that is worth one line.
_TOGETHER = (Change.NEW, Change.GONE, Change.INFRASTRUCTURE)


@dataclass(frozen=True)
class Place:
    """Where something ended so, and the page that tells of it."""

    text: str
    href: str


@dataclass(frozen=True)
class Each:
    """One of several tests, and where it is told."""

    name: str
    href: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Row:
    """Tests that became the same thing; ``bad`` is what nobody expected.

    ``names`` are those of several, as name_lines() has them, and ``each`` of them by itself.
    """

    css: str
    sign: str
    word: str
    what: str
    href: str
    places: tuple[Place, ...]
    ends: str
    why: str
    bad: bool
    names: tuple[tuple[str, str], ...] = ()
    each: tuple[Each, ...] = ()


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
    for change in Change:
        tests = report.comparison.of(change)
        if tests and change is not Change.SAME:
            together = _together(tests)
            told = {id(test) for found in together for test in found}
            left = [test for test in tests if id(test) not in told]
            rows = (*_single(change, left, cells), *(_whole_row(change, t) for t in together))
            kinds.append(Kind(change.value, *_words_of(change), len(tests), rows))
    return tuple(kinds)


def _words_of(change: Change) -> tuple[str, str]:
    """The sign, and the word."""
    return change.row.sign, change.row.label or change.value


def unchanged_surprises(report: Report) -> tuple[Row, ...]:
    """What is not as expected, and not among the changes."""
    cells = [cell for cell in report.cells if cell.mark.odd and cell.change is None]
    found = group_causes(cells, _cause_of, lambda cell: _spot(cell.key))
    return tuple(map(_surprise, sorted(found, key=lambda cause: cause.first.mark.rank)))


def _cause_of(cell: Cell) -> Hashable:
    result = cell.result
    return cell.mark.word, result.reason, said_cause(result)


def _surprise(found: Cause[Cell]) -> Row:
    first = found.first
    return Row(
        first.mark.css,
        first.mark.sign,
        first.result.status.value,
        *_what([cell.key for cell in found.items]),
        tuple(_by_place((cell.key, cell.href) for cell in found.items)),
        f"{first.result.status} (expected {first.result.expected})",
        first.result.message,
        True,
        *_names([(cell.key, cell.href) for cell in found.items]),
    )


def _what(keys: Sequence[TestKey], known: bool = True) -> tuple[str, str]:
    """What a row is about, and its page where there is one."""
    names = dict.fromkeys((key.suite, key.test) for key in keys)
    if len(names) > 1:
        return count(len(names), "test"), ""
    return keys[0].test, test_page(keys[0].suite, keys[0].test) if known else ""


def _names(
    items: Sequence[tuple[TestKey, str]],
) -> tuple[tuple[tuple[str, str], ...], tuple[Each, ...]]:
    """The names of several tests in few words, and each with its places."""
    tests: dict[tuple[str, str], list[tuple[TestKey, str]]] = {}
    for key, href in items:
        tests.setdefault((key.suite, key.test), []).append((key, href))
    if len(tests) < 2:
        return (), ()
    each = (
        Each(test, test_page(suite, test), tuple(_by_place(found)))
        for (suite, test), found in tests.items()
    )
    return tuple(name_lines(test for _, test in tests)), tuple(each)


def _by_place(items: Iterable[tuple[TestKey, str]]) -> Iterator[Place]:
    """Each place once, with the page of the first that is told there."""
    places: dict[str, str] = {}
    for key, href in items:
        places[_where(key)] = places.get(_where(key)) or href
    return (Place(text, href) for text, href in places.items())


def _spot(key: TestKey) -> Spot:
    return Spot(key.job_name, key.filesystem, key.test)


def _together(tests: Iterable[Compared]) -> list[list[Compared]]:
    """Tests of one suite's run that came, went or were lost for one reason, with no surprise."""
    groups: dict[tuple[str, ...], list[Compared]] = {}
    for test in tests:
        if test.change in _TOGETHER and not test.surprising:
            groups.setdefault((*test.key.group, test.why), []).append(test)
    return [found for found in groups.values() if len(found) > 1]


def _whole_row(change: Change, tests: Sequence[Compared]) -> Row:
    key = tests[0].key
    sign, word = _words_of(change)
    missing = not any(test.after for test in tests)
    why = tests[0].why or ("not in this run" if missing else "as expected")
    href = "" if missing else kernel_page(key.variant)
    what = f"{key.suite}: {count(len(tests), 'test')}"
    place = Place(_where(key), href)
    return Row(change.value, sign, word, what, "", (place,), "", why, False)


def _single(
    change: Change, tests: Iterable[Compared], cells: Mapping[TestKey, Cell]
) -> Iterator[Row]:
    """Tests that became the same for the same reason: one row."""
    alike = group_causes(tests, _cause_of_change, lambda test: _spot(test.key))
    for found in sorted(alike, key=lambda cause: _rank(cause.items)):
        yield _row(change, found.items, cells)


def _cause_of_change(test: Compared) -> Hashable:
    name = test.key.test
    bad = _bad(test)
    return test.ends, cause_in(test.why, name), said_cause(bad) if bad else ""


def _bad(test: Compared) -> TestResult | None:
    return next((result for result in test.after if result.status is not Status.PASS), None)


def _said(test: Compared) -> str:
    bad = _bad(test)
    return bad.message if bad else ""


def _rank(tests: Sequence[Compared]) -> int:
    marks = [mark(result.status, result.expected) for test in tests for result in test.after]
    return min((found.rank for found in marks), default=0)


def _row(change: Change, tests: Sequence[Compared], cells: Mapping[TestKey, Cell]) -> Row:
    first = tests[0]
    sign, word = _words_of(change)
    items = [(t.key, cells[t.key].href if t.key in cells else "") for t in tests]
    return Row(
        change.value,
        sign,
        word,
        *_what([test.key for test in tests], bool(first.after)),
        tuple(_by_place(items)),
        first.ends,
        "; ".join(filter(None, (first.why, _said(first)))),
        any(not r.as_expected for t in tests for r in t.after),
        *_names(items),
    )


def _where(key: TestKey) -> str:
    return f"{key.job_name} · {key.filesystem}"
