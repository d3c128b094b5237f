# SPDX-License-Identifier: GPL-2.0-only
"""Names that are not there, and those that are like them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

#: A longer list of names helps nobody find theirs.
_FEW = 16


def suggestion(name: str, known: Collection[str]) -> str:
    """The nearest right spelling of ``name``, and all of them when they are few."""
    near = nearest(name, known)
    if len(known) > _FEW:
        return near or f"one of {', '.join(likest(name, known))}, …"
    listing = ", ".join(known)
    if near:
        return f"{near} (known: {listing})" if len(known) > 1 else near
    return f"one of {listing}" if listing else ""


def likest(name: str, known: Iterable[str]) -> list[str]:
    """The few that are least unlike ``name``."""
    return difflib.get_close_matches(name, list(known), n=_FEW // 2, cutoff=0)


def nearest(name: str, known: Iterable[str]) -> str:
    """The spelling most like ``name``, or "" when none is like it."""
    lowered = {spelling.lower(): spelling for spelling in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[near[0]] if near else ""
