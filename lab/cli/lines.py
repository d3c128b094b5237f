# SPDX-License-Identifier: GPL-2.0-only
"""Lines on stdout: whole in a pipe, and on a terminal broken between words."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable

import typer

_HANGING = "  "


def say_lines(lines: Iterable[str]) -> None:
    """Print lines; what goes on is, on a terminal, further to the right than it began."""
    if not sys.stdout.isatty():
        typer.echo("".join(f"{line}\n" for line in lines), nl=False)
        return
    columns = shutil.get_terminal_size().columns
    for line in lines:
        typer.echo(wrapped(line, columns))


def wrapped(line: str, columns: int) -> str:
    """A line in as many as it needs in so many columns."""
    if len(line) <= columns:
        return line
    blanks = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.fill(
        line.strip(" "),
        max(columns, len(blanks) + len(_HANGING) + 1),
        initial_indent=blanks,
        subsequent_indent=blanks + _HANGING,
        replace_whitespace=False,
        expand_tabs=False,
        break_on_hyphens=False,
    )
