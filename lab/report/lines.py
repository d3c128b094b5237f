# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a report: they wrap on a terminal and stay whole in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.report.cause import Cause, name_lines, place_lines
from lab.text import replace_controls

#: A second column that is narrower is none.
_LEAST_TEXT = 20
_HANGING = "  "


@dataclass(frozen=True)
class Line:
    """A line whose ``text`` wraps, on a terminal, to the right of ``head``."""

    head: Text
    text: Text = field(default_factory=Text)


@dataclass(frozen=True)
class Signs:
    """Marks, in ASCII where the output cannot take others."""

    yes: str
    no: str
    arrow: str
    times: str


def signs_for(console: Console) -> Signs:
    """The marks that the console can show."""
    if console.encoding.lower().replace("-", "").startswith("utf"):
        return Signs("✓", "✗", "→", "×")  # noqa: RUF001
    return Signs("+", "x", "->", "x")


def line(head: str, text: str = "", *, style: str = "", text_style: str = "") -> Line:
    """A line of plain strings."""
    return Line(Text(head, style), Text(text, text_style))


def title(text: str) -> Line:
    """A line above others."""
    return line(text, style="bold")


def block_lines(found: Cause[Any], indent: str) -> Iterator[Line]:
    """Where a cause showed, and in which tests."""
    for block in found.blocks:
        for place in place_lines(block):
            yield line(indent, place)
        for head, rest in name_lines(block.tests):
            yield line(f"{indent}  {head}", rest)


def print_lines(console: Console, sections: Iterable[Iterable[Line]]) -> None:
    """Print sections with a blank line between them; one without lines is left out."""
    for number, lines in enumerate(filter(None, map(list, sections))):
        if number:
            console.print()
        for each in lines:
            _print(console, each)


def _print(console: Console, line: Line) -> None:
    head, text = (_safe(part, console.encoding) for part in (line.head, line.text))
    if not console.is_terminal:
        # Whoever reads the other end of a pipe wants whole lines.
        console.print(head + text, soft_wrap=True, highlight=False)
        return
    if not text.plain or console.width - head.cell_len < _LEAST_TEXT:
        _print_hanging(console, head + text)
        return
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(head, text)
    console.print(grid, highlight=False)


def _print_hanging(console: Console, text: Text) -> None:
    """Print what has no second column: what goes on is further to the right than it began."""
    if text.cell_len <= console.width:
        console.print(text, highlight=False)
        return
    indent = len(text.plain) - len(text.plain.lstrip(" "))
    width = max(1, console.width - indent - len(_HANGING))
    first, *rest = text[indent:].wrap(console, width, overflow="fold")
    for part in (first, *(Text(_HANGING) + part for part in rest)):
        console.print(Text(" " * indent) + part, highlight=False)


def _safe(text: Text, encoding: str) -> Text:
    """What a guest said may hold control characters, and others the output cannot take."""
    text.plain = replace_controls(text.plain).encode(encoding, "replace").decode(encoding)
    return text
