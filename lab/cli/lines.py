# SPDX-License-Identifier: GPL-2.0-only
"""Lines on stdout: whole in a pipe, and on a terminal broken between words."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable

import typer

from lab.text import plain

_HANGING = "  "


def say(text: str, *, err: bool = False) -> None:
    """Print what may hold the words of a guest, a patch, an archive or a server."""
    typer.echo(plain(text), err=err)


def say_lines(lines: Iterable[str]) -> None:
    """Print lines; what goes on is, on a terminal, further to the right than it began."""
    if not sys.stdout.isatty():
        typer.echo(plain("".join(f"{line}\n" for line in lines)), nl=False)
        return
    for line in lines:
        typer.echo(wrapped(plain(line), columns()))


def columns() -> int:
    """How wide the terminal is, 80 without one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def wrapped(line: str, width: int) -> str:
    """A line in as many as it needs of so many columns."""
    if len(line) <= width:
        return line
    blanks = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.fill(
        line.strip(" "),
        max(width, len(blanks) + len(_HANGING) + 1),
        initial_indent=blanks,
        subsequent_indent=blanks + _HANGING,
        replace_whitespace=False,
        expand_tabs=False,
        break_on_hyphens=False,
    )
