# SPDX-License-Identifier: GPL-2.0-only
"""Names that are not there, and those that are like them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

#: A longer list of names helps nobody find theirs.
_FEW = 16
#: How like a name, or a part of one, has to be; 0.6 for whole names (difflib's own).
_PARTLY = 0.5


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


def nearest_or_all(name: str, known: Iterable[str]) -> list[str]:
    """The spelling most like ``name``, or all that there are."""
    known = list(known)
    near = nearest(name, known)
    return [near] if near else known


def partly_like(name: str, known: Iterable[str], most: int) -> list[str]:
    """At most so many of which the whole or a part is like ``name``, the nearest first.

    A part is what is between dots, dashes, slashes and underscores.
    """
    match = difflib.SequenceMatcher(b=name.lower(), autojunk=False)

    def likeness(one: str) -> float:
        found = 0.0
        for part in {one, *re.split(r"[./_-]+", one)}:
            match.set_seq1(part.lower())
            found = max(found, match.ratio())
        return found

    scores = {one: likeness(one) for one in known}
    near = sorted(scores, key=lambda one: -scores[one])
    return [one for one in near if scores[one] >= _PARTLY][:most]


def nearest(name: str, known: Iterable[str]) -> str:
    """The spelling most like ``name``, or "" when none is like it."""
    lowered = {spelling.lower(): spelling for spelling in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[near[0]] if near else ""
