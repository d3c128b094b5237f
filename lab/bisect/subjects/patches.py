# SPDX-License-Identifier: GPL-2.0-only
"""The patches of a series, one by one on a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.bisect.line import Line
from lab.bisect.ordered import OrderedSearch
from lab.bisect.point import Point
from lab.bisect.subjects.setup import Setup
from lab.errors import UserError
from lab.execution.each import Stairs, stairs_of
from lab.model.variant import Variant
from lab.patches.series import all_but
from lab.session import Lab

_WITHOUT = "-"


@dataclass(frozen=True)
class Patches:
    """A Subject of the first patches of a series, from none of them to all.

    Args:
        old_at, new_at: How many of the patches that are meant for the kernel the ends have.
    """

    lab: Lab
    stairs: Stairs
    old_at: int
    new_at: int

    noun = "patch"

    @property
    def name(self) -> str:
        """See Subject."""
        return f"patches of {self.stairs.series} on {self.stairs.kernel}"

    @property
    def line(self) -> Line:
        """A point for each number of patches that the kernel can have."""
        steps = self.stairs.steps()
        return Line(tuple(self._point(step.number, step.patch, step.subject) for step in steps))

    @property
    def old(self) -> tuple[Point, ...]:
        """See Subject."""
        return (self.line.points[self.old_at],)

    @property
    def new(self) -> Point:
        """See Subject."""
        return self.line.points[self.new_at]

    @property
    def search(self) -> OrderedSearch:
        """See Subject."""
        return OrderedSearch(self.line, (self.old[0].key,), self.new.key)

    def reverted(self, point: Point) -> Point | None:
        """See Subject: the new end without this patch, where those on top of it apply."""
        number = int(point.key)
        if number == self.new_at:
            return self.line.points[number - 1]
        found = Point(
            f"{self.new_at}{_WITHOUT}{number}", f"{self.new.name} without {number}", point.title
        )
        setup = self.setup(found)
        try:
            setup.builder.beneath(setup.builder.tree(setup.variant.kernel), setup.variant)
        except UserError:
            return None
        return found

    def setup(self, point: Point) -> Setup:
        """See Buildable."""
        end, _, left_out = point.key.partition(_WITHOUT)
        if not left_out:
            return Setup(self.lab.builder, self.stairs.variants[int(end)])
        name = all_but(self.stairs.series, self._place(int(end)), self._place(int(left_out)))
        return Setup(self.lab.with_series(name).builder, Variant(self.stairs.kernel, (name,)))

    def _place(self, number: int) -> int:
        """Which one a patch is of all in the series, those for other kernels included."""
        whole = self.lab.builder.series(self.stairs.series).patches
        return whole.index(self.stairs.patches[number - 1]) + 1

    def _point(self, number: int, patch: str, subject: str) -> Point:
        if not number:
            return Point("0", str(self.stairs.kernel), "without the series")
        return Point(str(number), f"{number} of {len(self.stairs.patches)}", subject or patch)


def patches_of(
    lab: Lab, series: str, kernel: Variant, old: int | None = None, new: int | None = None
) -> Patches:
    """A series to be bisected; its tree is brought in.

    Args:
        old, new: How many of its patches the ends have; none, and all.

    Raises:
        UserError: There is no such series or kernel, no patch for it, or nothing between.
    """
    lab.loaded.require("series", series)
    stairs = stairs_of(lab.builder, series, kernel)
    most = len(stairs.patches)
    ends = (0 if old is None else old, most if new is None else new)
    if beyond := [end for end in ends if not 0 <= end <= most]:
        raise UserError(
            f"{beyond[0]} is no number of patches of {series} on {kernel}: it has {most}",
            where=lab.patches / series,
            hint=f"0 to {most}, the old end first",
        )
    if ends[0] >= ends[1]:
        raise UserError(
            f"from {ends[0]} to {ends[1]} of the {most} patches of {series} nothing is added",
            where=lab.patches / series,
            hint=f"0 to {most}, the old end first",
        )
    return Patches(_knowing(lab, stairs.variants), stairs, *ends)


def _knowing(lab: Lab, variants: Sequence[Variant]) -> Lab:
    """The lab, to which each part of a series is one."""
    for name in {name for variant in variants for name in variant.series}:
        lab = lab.with_series(name)
    return lab
