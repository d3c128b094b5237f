# SPDX-License-Identifier: GPL-2.0-only
"""Units that are the same but for their repetition, told as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lab.execution.unit import Unit


def is_alike(one: Unit, other: Unit) -> bool:
    """Whether two are the same but for their repetition."""
    return replace(one, repetition=other.repetition) == other


def each_once(units: Iterable[Unit]) -> Iterator[tuple[Unit, str]]:
    """The first of those that are the same, and which repetitions it stands for; "" for one alone.

    A thousand that did not run have one reason, and one result that says it.
    """
    found: dict[Unit, list[Unit]] = {}
    for unit in units:
        found.setdefault(replace(unit, repetition=0), []).append(unit)
    for alike in found.values():
        first, last = alike[0].repetition, alike[-1].repetition
        yield alike[0], f" (repetitions {first} to {last})" if alike[1:] else ""
