# SPDX-License-Identifier: GPL-2.0-only
"""Two compilers, and the mends that each needs: which of these makes the difference."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace

from lab.bisect.point import Point
from lab.bisect.subjects.setup import Setup
from lab.bisect.subset import SubsetSearch, spelled
from lab.build import mend_tree
from lab.build.applied_mends import Mended
from lab.builder import Builder
from lab.errors import UserError
from lab.host import Host
from lab.model.variant import Variant
from lab.session import Lab

_COMPILER, _MEND, _NO_MEND = "compiler ", "mend ", "no mend "


@dataclass(frozen=True)
class Toolchains:
    """A Subject of what a new toolchain brings: the compiler itself, and the mends for it.

    Args:
        compilers: As ``[toolchain] cc`` has them; the same twice where mends alone differ.
        before, after: The mends of the two.
    """

    lab: Lab
    variant: Variant
    compilers: tuple[str, str]
    before: frozenset[str]
    after: frozenset[str]

    @property
    def noun(self) -> str:
        """See Subject."""
        one, other = self.compilers
        return "toolchain part" if one != other else "mend"

    @property
    def name(self) -> str:
        """See Subject."""
        one, other = self.compilers
        what = f"toolchains {one} to {other}" if one != other else f"mends for {one}"
        return f"{what} on {self.variant}"

    @property
    def parts(self) -> tuple[str, ...]:
        """What differs: the compiler, mends that come with it, and those that go."""
        one, other = self.compilers
        compiler = [f"{_COMPILER}{other}"] if one != other else []
        come = (f"{_MEND}{name}" for name in sorted(self.after - self.before))
        go = (f"{_NO_MEND}{name}" for name in sorted(self.before - self.after))
        return (*compiler, *come, *go)

    @property
    def old(self) -> tuple[Point, ...]:
        """See Subject."""
        return (self._point(()),)

    @property
    def new(self) -> Point:
        """See Subject."""
        return self._point(self.parts)

    @property
    def search(self) -> SubsetSearch:
        """See Subject."""
        return SubsetSearch(self.parts, self._point)

    def reverted(self, point: Point) -> Point | None:
        """See Subject: the new toolchain without these."""
        left = tuple(part for part in self.parts if part not in point.parts)
        return self._point(left) if left else None

    def setup(self, point: Point) -> Setup:
        """See Buildable; a compiler without a mend that it needs does not build."""
        taken = [part.removeprefix(_MEND) for part in point.parts if part.startswith(_MEND)]
        gone = [part.removeprefix(_NO_MEND) for part in point.parts if part.startswith(_NO_MEND)]
        mends = (self.before | set(taken)) - set(gone)
        is_new = any(part.startswith(_COMPILER) for part in point.parts)
        builder = _with_compiler(self.lab, self.compilers[is_new])
        return Setup(replace(builder, mends=frozenset(mends)), self.variant)

    def _point(self, parts: tuple[str, ...]) -> Point:
        return spelled(self.noun, parts, self.parts)


def toolchains_of(lab: Lab, variant: Variant, old: str, new: str) -> Toolchains:
    """Two compilers to be bisected; the variant's tree is brought in.

    Raises:
        UserError: One is not on this machine, or they are one.
    """
    programs = [_program(lab, cc) for cc in (old, new)]
    if old != new and programs[0] == programs[1]:
        raise UserError(
            f"{old} and {new} are one compiler: {programs[0][0]}", hint="another compiler"
        )
    mends = [_mended(_with_compiler(lab, cc), variant) for cc in (old, new)]
    sides = [frozenset(mend.name for mend in one.applied) for one in mends]
    found = Toolchains(lab, variant, (old, new), *sides)
    if not found.parts:
        what = f"{found.name}: there is no difference"
        raise UserError(what, where=lab.loaded.locate("toolchain", "cc"), hint="two compilers")
    return found


def _program(lab: Lab, cc: str) -> tuple[str, str]:
    """The program that a compiler is, and what it says of its version.

    Both names of one have it there; behind ccache's all are that, and do not say the same.
    """
    try:
        found = _with_compiler(lab, cc).toolchain
    except UserError as error:
        # It is not lab.toml that named it.
        error.where = "an end of --of toolchains"
        error.hint = "its package, or its path"
        raise
    path = found.environment.get("PATH", Host.here().search_path)
    # gcc says first what it was called by.
    return os.path.realpath(shutil.which(cc, path=path) or cc), found.compiler.partition(" ")[2]


def mends_of(lab: Lab, variant: Variant) -> Toolchains:
    """The mends that a variant gets, to be bisected: from none of them to all.

    Raises:
        UserError: It gets none.
    """
    cc = lab.loaded.config.toolchain.cc
    mends = frozenset(mend.name for mend in _mended(lab.builder, variant).applied)
    if not mends:
        what = f"{variant} needs no mend for {cc}: there is no difference"
        raise UserError(what, hint="a kernel that is mended for it, or --of toolchains")
    return Toolchains(lab, variant, (cc, cc), frozenset(), mends)


def _mended(builder: Builder, variant: Variant) -> Mended:
    tree = builder.tree(variant.kernel)
    return mend_tree(tree, builder.toolchain, builder.loaded.root / "patches" / "toolchain")


def _with_compiler(lab: Lab, cc: str) -> Builder:
    loaded = lab.loaded
    section = loaded.config.toolchain.model_copy(update={"cc": cc})
    config = loaded.config.model_copy(update={"toolchain": section})
    return Builder(replace(loaded, config=config), lab.listener)
