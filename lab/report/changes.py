# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons and histories as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from lab.analysis.compare import Change, Compared, Comparison
from lab.analysis.test_names import Shared, key_apart, shared_names
from lab.model.job_name import Around
from lab.model.rate import Rate
from lab.results import Seen

#: Of one kind on one filesystem; all of them with -v, and in the JSON.
_MOST = 12


def comparison_lines(comparison: Comparison, verbose: bool = False) -> Iterator[str]:
    """What changed, worst first; every kind of change is at least counted."""
    yield f"{comparison.a} → {comparison.b}"
    yield "  " + ", ".join(
        f"{count} {change}" for change, count in comparison.counts.items() if count
    )
    yield from (f"  {trouble}" for trouble in comparison.troubles)
    if comparison.notes:
        yield "  Not the kernel alone differs:"
    yield from (f"    {note}" for note in comparison.notes)
    shared = shared_names(test.key for test in comparison.tests)
    for change in Change:
        tests = comparison.of(change)
        if tests and (verbose or change is not Change.SAME):
            yield from ("", change.row.heading)
            yield from _grouped(tests, shared, verbose)


def _grouped(tests: Sequence[Compared], shared: Shared, verbose: bool) -> Iterator[str]:
    for _, group in groupby(tests, key=lambda test: (test.key.job, test.key.filesystem)):
        found = list(group)
        key = found[0].key
        yield f"  {key.job_name} on {key.filesystem}: {len(found)}"
        shown = found if verbose else found[:_MOST]
        names = [key_apart(test.key, shared).test for test in shown]
        width = max(map(len, names))
        for name, test in zip(names, shown, strict=True):
            yield f"    {name:{width}}  {test.line()}{_unexpected(test)}"
            yield from _message(test)
        if len(shown) < len(found):
            yield f"    and {len(found) - len(shown)} more: -v"


def _unexpected(test: Compared) -> str:
    return "  not as expected" if test.surprising else ""


def _message(test: Compared) -> Iterator[str]:
    if test.change is not Change.SAME and test.after and test.after[-1].message:
        yield f"      {' '.join(test.after[-1].message.split())[:200]}"


def history_lines(seen: Sequence[Seen]) -> Iterator[str]:
    """One block for each test, filesystem and variant, the latest result first."""
    ordered = sorted(_with_programs(seen), key=lambda one: one.place)
    for place, group in groupby(ordered, key=lambda one: one.place):
        suite, test, filesystem, variant, machine, config, program = place
        around = "".join(f", {words}" for words in Around(machine, config).words())
        of = suite if program in ("", suite) else f"{suite}/{program}"
        yield f"{test}  ({of} on {filesystem}, {variant}{around})"
        before: Seen | None = None
        lines = []
        # From the first to the last, so that a change can be told.
        for _, found in groupby(reversed(list(group)), key=lambda one: (one.run, one.started)):
            ends = list(found)
            lines.append(_history_line(ends[0], before) if not ends[1:] else _rate_line(ends))
            before = ends[-1]
        yield from reversed(lines)


def _rate_line(ends: Sequence[Seen]) -> str:
    """A test that was repeated in one job: how often it was as expected."""
    first = ends[0]
    counts = Counter(one.status.value for one in ends)
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    rate = Rate(sum(one.as_expected for one in ends), len(ends))
    line = f"  {first.run}  {first.kernel_release:12}  {first.build_key[:12]:12}  {said}"
    return f"{line}  as expected {rate}"


def _with_programs(seen: Sequence[Seen]) -> list[Seen]:
    """Results that do not tell their program are of the one that has such a test, if one has."""
    programs: dict[tuple[str, ...], set[str]] = {}
    for one in seen:
        if one.program:
            programs.setdefault(one.name, set()).add(one.program)
    return [
        replace(one, program=next(iter(known)))
        if not one.program and len(known := programs.get(one.name, set())) == 1
        else one
        for one in seen
    ]


def _history_line(one: Seen, before: Seen | None) -> str:
    line = f"  {one.run}  {one.kernel_release:12}  {one.build_key[:12]:12}  {one.status.value:7}"
    if before is not None and before.status is not one.status:
        same = before.setup == one.setup != ""
        line += f"  was {before.status}" + (" on the same setup: flaky" if same else "")
    if not one.as_expected:
        line += f"  not as expected ({one.expected})"
    return line.rstrip()
