# SPDX-License-Identifier: GPL-2.0-only
"""What is bisected: commits, patches of a series, revisions, releases, options, toolchains."""

from __future__ import annotations

from typing import Protocol

from lab.bisect.point import Point
from lab.bisect.search import Search


class Subject(Protocol):
    """Two ends, and what lies between."""

    @property
    def noun(self) -> str:
        """What a point is: ``commit``."""

    @property
    def name(self) -> str:
        """What is bisected, the same for the same: ``commits of next, with dax-populate``."""

    @property
    def old(self) -> tuple[Point, ...]:
        """The ends on the old side, at least one."""

    @property
    def new(self) -> Point:
        """The end on the new side."""

    @property
    def search(self) -> Search:
        """How what is between is searched."""

    def reverted(self, point: Point) -> Point | None:
        """The new end without what a point brought; None where it cannot be taken out cleanly."""
