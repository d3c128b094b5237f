# SPDX-License-Identifier: GPL-2.0-only
"""A series against kernels whose trees are here: nothing is downloaded, built or booted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from lab.builder.builder import Builder
from lab.config import FirstKernel
from lab.errors import LabError, UserError
from lab.model.tree_identity import TreeIdentity
from lab.model.variant import Variant
from lab.model.version import KernelVersion
from lab.patches import Series
from lab.patches.history import Found, NoStretch, commit_of
from lab.patches.origin import read_origin
from lab.patches.standing import Stand, Standing, Standings
from lab.trees import Tree
from lab.trees.repository import Repository
from lab.unforeseen import as_lab_error


@dataclass(frozen=True)
class Place:
    """A kernel, and where the series stands there.

    ``stand`` is None where its tree is not here, or could not be looked at: ``error``.
    ``note`` is what could not be found out beside that.
    """

    kernel: Variant
    version: str = ""
    stand: Stand | None = None
    error: LabError | None = None
    note: str = ""


@dataclass(frozen=True)
class Placing:
    """A series to be placed; with a repository, its commits are looked for in that, too."""

    builder: Builder
    name: str
    repository: Repository | None = None

    @cached_property
    def series(self) -> Series:
        """The series; raises UserError where it cannot be read."""
        return self.builder.series(self.name)

    @cached_property
    def _commits(self) -> Mapping[str, str]:
        origin = read_origin(self.series.path.parent)
        return origin.commits if origin else {}

    @cached_property
    def _standings(self) -> Standings:
        return Standings(self.series)

    def on_each(self, kernels: Iterable[str]) -> Iterator[Place]:
        """A place for each kernel, one after the other."""
        for kernel in kernels:
            yield self._on(Variant(kernel))

    def _on(self, kernel: Variant) -> Place:
        try:
            tree = self.builder.tree_here(kernel.kernel)
            return Place(kernel) if tree is None else self.on(kernel, tree)
        except Exception as error:
            return Place(kernel, error=as_lab_error(error))

    def fetched(self, kernel: Variant) -> Place:
        """Where it stands on a kernel, whose tree is brought in if it is not here."""
        try:
            return self.on(kernel, self.builder.tree(kernel.kernel))
        except Exception as error:
            return Place(kernel, error=as_lab_error(error))

    def on(self, kernel: Variant, tree: Tree) -> Place:
        """Where it stands on a kernel with this tree.

        Raises:
            LabError: The tree or the patches cannot be read.
        """
        stand = self._standings.on(tree, self.builder.beneath(tree, kernel))
        note = ""
        if self.repository is not None and not kernel.series:
            try:
                stand = self._by_history(self.repository, tree, stand)
            except NoStretch as error:
                note = str(error)
        return Place(kernel, str(tree.version), stand, note=note)

    def _by_history(self, repository: Repository, tree: Tree, stand: Stand) -> Stand:
        """What the commits say of it; that a tree has every blob it wants needs no more."""
        tip = _tip(repository, tree)
        settled = stand.standing in (Standing.CLEAN, Standing.NOT_MEANT) or stand.commit
        if settled or tip is None:
            return stand
        patches = self.series.for_version(tree.version)
        found = [
            commit_of(repository, tip, patch, self._commits.get(patch.name, ""))
            for patch in patches
        ]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return stand
        return replace(stand, standing=Standing.IN, detail=_named(known), **_first(known))


def _first(found: list[Found]) -> dict[str, str]:
    return {"commit": found[0].commit.id, "found": found[0].how, "patch": ""}


def _named(found: list[Found]) -> str:
    return "as " + "; ".join(f"{each.commit.short}, {each.how}" for each in found)


def _tip(repository: Repository, tree: Tree) -> str | None:
    """The commit of a repository that a tree is, or is made from: its own, or its version's tag."""
    identity = TreeIdentity(tree.identity)
    if identity.kind == "git":
        return identity.digest if repository.has(identity.digest) else None
    return repository.at(f"refs/tags/{tag_of(tree.version)}")


def tag_of(version: KernelVersion) -> str:
    """What the release is tagged as by Linus and by the stable team: v4.2, v6.1.192, v7.3-rc2."""
    return "v" + re.sub(r"^(\d+\.\d+)\.0(?=-|$)", r"\1", str(version))


def kernels_of(builder: Builder) -> tuple[str, ...]:
    """The kernels of ``lab.toml``, without names that stand for one of others."""
    loaded = builder.loaded
    return tuple(
        name
        for name, kernel in loaded.config.kernels.items()
        if not isinstance(kernel, FirstKernel) and name not in loaded.folders
    )


def require_one_here(places: Iterable[Place]) -> None:
    """Raise UserError where no tree is here to be looked at."""
    found = list(places)
    if all(place.stand is None and place.error is None for place in found):
        names = " ".join(place.kernel.kernel for place in found)
        raise UserError("the tree of none of these kernels is here", hint=f"lab fetch {names}")
