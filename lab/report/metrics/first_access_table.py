# SPDX-License-Identifier: GPL-2.0-only
"""What MAP_POPULATE saves at first access, in a run's table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from lab.model.records import TestResult
from lab.report.lines import Line, Signs, line, title
from lab.report.metrics.first_access import Access, accesses

_PAIR_WIDTH = 27
_INDENT = 4


def first_access_lines(results: Sequence[TestResult], signs: Signs, columns: int) -> Iterator[Line]:
    """Nanoseconds a page, a column for each filesystem, in 80 columns whatever the names."""
    found = accesses(results)
    yield title(f"First access, ns a page: without {signs.arrow} with MAP_POPULATE")
    filesystems = list(dict.fromkeys(access.filesystem for access in found))
    width = max(16, *(len(access.mapping) + 1 for access in found))
    a_line = max(1, (columns - _INDENT - width) // _PAIR_WIDTH)
    for some in _chunks(filesystems, a_line):
        titles = "".join(f"{_shortened(name):^{_PAIR_WIDTH}}" for name in some)
        yield line(f"{'':{_INDENT + width}}{titles}".rstrip(), style="dim")
        for variant in dict.fromkeys(access.variant for access in found):
            yield line("  ", variant)
            yield from _access_rows(found, variant, some, width, signs)


def _shortened(name: str) -> str:
    # Names of one configuration rather begin alike than end alike.
    return name if len(name) < _PAIR_WIDTH else f"...{name[4 - _PAIR_WIDTH :]}"


def _access_rows(
    found: list[Access], variant: str, filesystems: list[str], width: int, signs: Signs
) -> Iterator[Line]:
    cells = {
        (access.mapping, access.filesystem): access
        for access in found
        if access.variant == variant and access.filesystem in filesystems
    }
    for mapping in dict.fromkeys(mapping for mapping, _ in cells):
        row = (_access_cell(cells.get((mapping, name)), signs) for name in filesystems)
        yield line(f"{'':{_INDENT}}{mapping:{width}}{''.join(row)}".rstrip())


def _access_cell(access: Access | None, signs: Signs) -> str:
    if access is None:
        return " " * _PAIR_WIDTH
    pair = f"{_ns(access.without):>7} {signs.arrow} {_ns(access.populated):>6}"
    ratio = "" if access.ratio is None else f"{access.ratio:.1f}{signs.times}"
    return f"{pair}{ratio:>8} "[:_PAIR_WIDTH].ljust(_PAIR_WIDTH)


def _ns(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


_Item = TypeVar("_Item")


def _chunks(items: list[_Item], size: int) -> Iterator[list[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
