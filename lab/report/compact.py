# SPDX-License-Identifier: GPL-2.0-only
"""Many results in few lines: what ended alike is told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lab.config.model import Status
from lab.results.record import TestResult


@dataclass(frozen=True)
class Group:
    """The same tests that ended as expected, for the same reason, in several places.

    ``places`` are (variants, filesystems) pairs, all filesystems of a pair on
    all its variants; ``sample`` is the message seen most,
    and ``reason`` why ``lab.toml`` expects what happened.
    """

    status: Status
    reason: str
    tests: tuple[str, ...]
    places: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    sample: str


def group(results: Iterable[TestResult]) -> list[Group]:
    """Group results, in the order of their first appearance."""
    cells: dict[tuple[Status, str, str, str], dict[str, TestResult]] = {}
    for result in results:
        key = (result.status, result.reason, result.variant, result.filesystem)
        cells.setdefault(key, {})[result.test] = result
    alike: dict[tuple[Status, str, frozenset[str]], list[dict[str, TestResult]]] = {}
    for (status, reason, _, _), tests in cells.items():
        alike.setdefault((status, reason, frozenset(tests)), []).append(tests)
    return [_group(found) for found in alike.values()]


def compact_names(tests: Iterable[str]) -> list[tuple[str, str]]:
    """(call, ``4k,2m: shared-rw shared-ro``) pairs out of ``call.mapping.size`` names.

    Names of another form come as they are, with nothing beside them.
    """
    calls: dict[str, dict[str, list[str]]] = {}
    for test in tests:
        call, mapping, size = _split(test)
        mappings = calls.setdefault(call, {}).setdefault(size, [])
        if mapping:
            mappings.append(mapping)
    return [(call, _sizes(sizes)) for call, sizes in calls.items()]


def _group(cells: list[dict[str, TestResult]]) -> Group:
    results = [result for cell in cells for result in cell.values()]
    (sample, _), *_ = Counter(result.message for result in results).most_common(1)
    first = results[0]
    return Group(first.status, first.reason, tuple(cells[0]), _places(cells), sample)


def _places(
    cells: list[dict[str, TestResult]],
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    filesystems: dict[str, list[str]] = {}
    for cell in cells:
        result = next(iter(cell.values()))
        filesystems.setdefault(result.variant, []).append(result.filesystem)
    variants: dict[tuple[str, ...], list[str]] = {}
    for variant, found in filesystems.items():
        variants.setdefault(tuple(found), []).append(variant)
    return tuple((tuple(names), found) for found, names in variants.items())


def _split(test: str) -> tuple[str, str, str]:
    parts = test.split(".")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (test, "", "")


def _sizes(sizes: dict[str, list[str]]) -> str:
    same: dict[tuple[str, ...], list[str]] = {}
    for size, mappings in sizes.items():
        if mappings:
            same.setdefault(tuple(mappings), []).append(size)
    return "; ".join(f"{','.join(names)}: {' '.join(mappings)}" for mappings, names in same.items())
