# SPDX-License-Identifier: GPL-2.0-only
"""Titles that are the same in every run, and on the next build."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab.complaints.frames import bare, telling
from lab.complaints.heads import Head
from lab.model.complaint import Frame, Kind

_LONGEST = 120
_NUMBERS = re.compile(
    r"(?:0x)?\b[0-9a-f]{8,16}\b|\b0x[0-9a-f]+\b|\(____ptrval____\)|\(ptrval\)|(?<![\w-])\d[\d.]*"
)


def title_of(
    head: Head | None,
    match: re.Match[str] | None,
    frames: Sequence[Frame],
) -> str:
    """What happened, and in which function, without numbers and addresses."""
    if head is None or match is None:
        return _with_function("a complaint whose other lines are missing", telling(frames))
    groups = {key: value or "" for key, value in match.groupdict().items()}
    if groups.get("other"):
        groups["other"] = f" / {groups['other']}"
    # The part of a sentence that names no task.
    groups["what"] = groups.get("held") or groups.get("exit") or groups.get("what", "")
    what = stable(head.what.format(**groups))
    if head.anywhere:
        return what
    return _with_function(what, _function(head, groups, frames))


def _function(head: Head, groups: dict[str, str], frames: Sequence[Frame]) -> str:
    named = bare(groups.get("function", ""))
    if named and head.kind not in {Kind.WARNING}:
        return named
    return telling(frames) or named


def _with_function(what: str, function: str) -> str:
    return f"{what} in {function}" if function else what


def stable(text: str) -> str:
    """Text without numbers and addresses; what is left is short."""
    named = _NUMBERS.sub("N", text)
    return " ".join(named.split())[:_LONGEST].rstrip(" .,:;")
