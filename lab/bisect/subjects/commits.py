# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a git repository on this machine, with or without series on top of each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.bisect.ordered import OrderedSearch
from lab.bisect.point import Point
from lab.bisect.search import Candidate
from lab.bisect.subjects.revert import revert
from lab.bisect.subjects.setup import Setup
from lab.errors import UserError
from lab.model.variant import Variant
from lab.session import Lab
from lab.trees.repository import Commit, Repository, open_repository

_SHORT = 12
_DIST = re.compile(r"([0-9a-f]{40}) \(.*?dist=(\d+)\)")


@dataclass(frozen=True)
class CommitOrder:
    """The Order of commits as git has it: what it was asked once is not asked again."""

    repository: Repository
    first_parent: bool = False
    _candidates: dict[tuple[str, ...], tuple[Candidate, ...]] = field(default_factory=dict)
    _commits: dict[str, Commit] = field(default_factory=dict)

    def candidates(self, old: Collection[str], new: str) -> Sequence[Candidate]:
        """See Order."""
        asked = (new, *sorted(set(old)))
        if asked not in self._candidates:
            self._candidates[asked] = tuple(self._asked(asked[1:], new))
        return self._candidates[asked]

    def parents(self, key: str) -> Sequence[str]:
        """See Order; where only first parents are followed, that one."""
        parents = self._commit(key).parents
        return parents[:1] if self.first_parent else parents

    def point(self, key: str) -> Point:
        """See Order."""
        return Point(key, key[:_SHORT], self._commit(key).subject)

    def _asked(self, old: Sequence[str], new: str) -> Iterator[Candidate]:
        range_ = (new, *(f"^{one}" for one in old))
        # The oldest first, and no commit before one of its parents.
        order = self._rev_list("--topo-order", "--reverse", *range_).split()
        splits = dict(_DIST.findall(self._rev_list("--bisect-all", *range_)))
        for key in order:
            yield Candidate(key, int(splits[key]))

    def _rev_list(self, *arguments: str) -> str:
        follow = ("--first-parent",) if self.first_parent else ()
        return self.repository.git("rev-list", *follow, *arguments).stdout

    def _commit(self, key: str) -> Commit:
        if key not in self._commits:
            (self._commits[key],) = self.repository.commits(key)
        return self._commits[key]


@dataclass(frozen=True)
class Commits:
    """A Subject of commits.

    Args:
        series: Go on top of each commit, with the patches that are meant for its version.
    """

    lab: Lab
    order: CommitOrder
    old_keys: tuple[str, ...]
    new_key: str
    series: tuple[str, ...] = ()

    noun = "commit"

    @property
    def name(self) -> str:
        """See Subject."""
        on_top = f", with {' and '.join(self.series)}" if self.series else ""
        follow = ", first parents" if self.order.first_parent else ""
        return f"commits of {self.order.repository.folder}{on_top}{follow}"

    @property
    def old(self) -> tuple[Point, ...]:
        """See Subject."""
        return tuple(map(self.order.point, self.old_keys))

    @property
    def new(self) -> Point:
        """See Subject."""
        return self.order.point(self.new_key)

    @property
    def search(self) -> OrderedSearch:
        """See Subject."""
        return OrderedSearch(self.order, self.old_keys, self.new_key)

    def reverted(self, point: Point) -> Point | None:
        """See Subject: a commit of the lab's own, which is never in the user's repository."""
        (commit,) = self.order.repository.commits(point.key)
        return revert(self.lab, self.order.repository, commit, self.new_key)

    def setup(self, point: Point) -> Setup:
        """See Buildable."""
        lab, name = self.lab.with_commit(self.order.repository.folder, point.key)
        return Setup(lab.builder, Variant(name, self.series))


@contextmanager
def open_commits(
    lab: Lab,
    folder: Path,
    old: Sequence[str],
    new: str,
    *,
    first_parent: bool = False,
    series: Sequence[str] = (),
) -> Iterator[Commits]:
    """Commits to be bisected, for as long as the block runs; the repository is only read.

    An old end that is in no history of the new one has that end's forks as old ends beside it.

    Args:
        folder: The repository.
        old, new: Names of commits in it: a branch, a tag, digits.

    Raises:
        UserError: There is no such repository, commit or series; or nothing is between them.
    """
    for name in series:
        lab.loaded.require("series", name)
    with open_repository(folder) as repository:
        order = CommitOrder(repository, first_parent)
        end = repository.resolve(new)
        ends = [repository.resolve(name) for name in old]
        for given, commit in zip(old, ends, strict=True):
            _refuse(order, given, commit, new, end)
        forks = [fork for commit in ends for fork in _forks(repository, commit, end)]
        keys = tuple(dict.fromkeys((*ends, *forks)))
        _refuse_cut(order, keys, end)
        yield Commits(lab, order, keys, end, tuple(series))


def _refuse(order: CommitOrder, given: str, old: str, new: str, end: str) -> None:
    """Refuse ends that are one, or the wrong way round."""
    if old == end:
        what = f"{given} and {new} are the same commit, {end[:_SHORT]}"
        raise UserError(what, where=order.repository.folder, hint="two that differ")
    if order.candidates([old], end):
        return
    raise UserError(
        f"{new} is in the history of {given}: nothing came between",
        where=order.repository.folder,
        hint="what was mended has its failing end first: --old and --new",
    )


def _refuse_cut(order: CommitOrder, old: Sequence[str], new: str) -> None:
    """Refuse ends between which history ends: of what is there, nothing shows what was before."""
    between = (one.key for one in order.candidates(old, new))
    cut = next((key for key in between if key in order.repository.shallow), None)
    if cut is not None:
        raise UserError(
            f"the history of {cut[:_SHORT]} is not in this repository, which is shallow",
            where=order.repository.folder,
            hint="git fetch --unshallow, there"
            + ("" if order.first_parent else "; or --first-parent"),
        )


def _forks(repository: Repository, old: str, new: str) -> Iterator[str]:
    """Where the history of ``old`` left that of ``new``; nothing where it is a part of that."""
    said = repository.git("merge-base", "--all", old, new, check=False).stdout.split()
    if not said:
        raise UserError(
            f"{old[:_SHORT]} and {new[:_SHORT]} have no commit in common",
            where=repository.folder,
            hint="a shallow repository ends too early: git fetch --unshallow",
        )
    yield from (fork for fork in said if fork != old)
