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


def render(findings: Iterable[Finding]) -> list[str]:
    """Lines of at most 80 columns: ``ok``, ``MISS`` (a stage stops) or ``note``, each with why.

    Only a word longer than a line, a path say, is let run over.
    """
    return [line for finding in findings for line in _lines(finding)]


def _lines(finding: Finding) -> list[str]:
    word = "ok" if finding.ok else "MISS" if finding.fatal else "note"
    head = f"{word:<5} {finding.name} ".ljust(_COLUMN)
    lines = _wrap(head + finding.detail, " " * _COLUMN)
    if not finding.ok and finding.mend:
        lines += _wrap(f"      try: {finding.mend}", " " * 11)
    return lines


def _wrap(text: str, indent: str) -> list[str]:
    # A path or an option broken in two could not be copied.
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
