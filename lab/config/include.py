# SPDX-License-Identifier: GPL-2.0-only
"""Matrices that include others: their variants, and the cycles they must not form."""

from __future__ import annotations

from collections.abc import Iterator

from lab.config.model import LabConfig


def variants_of(config: LabConfig, name: str) -> tuple[str, ...]:
    """The variants of matrix ``name``, those of the matrices it includes first.

    A variant that comes by two ways counts once, where it comes first.
    """
    return tuple(dict.fromkeys(_walk(config, name, set())))


def _walk(config: LabConfig, name: str, seen: set[str]) -> Iterator[str]:
    if name in seen:
        return
    seen.add(name)
    matrix = config.matrix[name]
    for included in matrix.include:
        yield from _walk(config, included, seen)
    yield from matrix.variants


def cycles(config: LabConfig) -> list[tuple[str, ...]]:
    """Chains of includes that end where they began; each matrix is in one at most."""
    found: list[tuple[str, ...]] = []
    for name in config.matrix:
        if not any(name in cycle for cycle in found):
            found.extend(_way(config, name, name, set()))
    return found


def _way(config: LabConfig, start: str, goal: str, seen: set[str]) -> list[tuple[str, ...]]:
    """The first way from ``start`` to ``goal``, in a list, or an empty list."""
    matrix = config.matrix.get(start)
    for included in matrix.include if matrix else ():
        if included == goal:
            return [(start, goal)]
        if included in seen:
            continue
        seen.add(included)
        if ways := _way(config, included, goal, seen):
            return [(start, *ways[0])]
    return []
