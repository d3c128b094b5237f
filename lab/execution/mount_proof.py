# SPDX-License-Identifier: GPL-2.0-only
"""What counts of a program that left something else mounted than what was proved."""

from __future__ import annotations

from collections.abc import Sequence

from lab.execution.remainder import Rest
from lab.model.status import DEAD, Status
from lab.suites.judge import Judged

#: What is no proof of anything but itself, and stays whatever is mounted.
_STAYS = DEAD | {Status.ERROR}


def proved(
    judged: Sequence[Judged], program: str, filesystem: str, now: str, *, listed: bool
) -> tuple[tuple[Judged, ...], Rest | None]:
    """What counts of a program that changed its mount, and what is to run again, each alone.

    Of one nobody knows when it did that, and of several not which ran on what.

    Args:
        listed: Whether the program can be asked for its tests' names.
    """
    why = f"{program} left something else mounted ({now or 'nothing'})"
    kept = tuple(one for one in judged if one.status in _STAYS)
    others = [one for one in judged if one.status not in _STAYS]
    if listed and others and len(judged) > 1:
        done = frozenset(one.test for one in kept) - {program}
        return kept, Rest(len(judged), len(others), done, why, listed=True)
    said = f"{why}: nothing proves that this ran on {filesystem}"
    return (*kept, *(Judged(one.test, Status.ERROR, said) for one in others)), None
