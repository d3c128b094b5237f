# SPDX-License-Identifier: GPL-2.0-only
"""One thing looked at on this machine, and findings as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["fetch", "build", "test"]
STAGES: tuple[Stage, ...] = ("fetch", "build", "test")

_WIDTH = 80
_COLUMN = 28
#: Where a column of 28 leaves little: what goes on is beside the name.
_NARROW = 8


@dataclass(frozen=True)
class Finding:
    """What was found of ``name``.

    ``mend`` is the command or advice that makes it right; ``needed_for`` are
    the stages that cannot go on without it, none when the lab can do without.
    """

    name: str
    ok: bool
    detail: str
    mend: str | None = None
    needed_for: tuple[str, ...] = ()

    @property
    def fatal(self) -> bool:
        """Whether some stage cannot go on."""
        return not self.ok and bool(self.needed_for)


def render(findings: Iterable[Finding], width: int = _WIDTH) -> list[str]:
    """Lines of at most 80 columns: ``ok``, ``MISS`` (a stage stops) or ``note``, each with why.

    Only a word longer than a line, a path say, is let run over; a terminal of fewer
    columns gets lines of its ``width``.
    """
    return [line for finding in findings for line in _lines(finding, min(width, _WIDTH))]


def _lines(finding: Finding, width: int) -> list[str]:
    word = "ok" if finding.ok else "MISS" if finding.fatal else "note"
    column = _COLUMN if width == _WIDTH else _NARROW
    head = f"{word:<5} {finding.name} ".ljust(column)
    lines = _wrap(head + finding.detail, " " * column, width)
    if not finding.ok and finding.mend:
        lines += _wrap(f"      try: {finding.mend}", " " * 11, width)
    return lines


def _wrap(text: str, indent: str, width: int) -> list[str]:
    # A path or an option broken in two could not be copied.
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
