# SPDX-License-Identifier: GPL-2.0-only
"""Where kernels come from: a line for each kind, and nothing else names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from lab.config.model import KernelSection
from lab.model.maker import made_by
from lab.model.tree_identity import TreeIdentity
from lab.trees.request import Brought, Request
from lab.trees.tree import Tree

#: A version in a name: v6.1, 6.1.192, 7.3-rc2.
VERSION: Final = r"(\d+)\.(\d+)(?:\.(\d+))?(?:-rc(\d+))?"


@dataclass(frozen=True)
class Commits:
    """From one commit to another.

    Args:
        count: How many the second has that the first has not.
        undone: How many the first has that the second has not: a branch was rewound.
        subjects: The newest of them, ``1a2b3c4d5e6f subject (author)``.
    """

    count: int
    undone: int
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Called:
    """A name in a section that may say a version.

    Args:
        pattern: Matches it whole if it does; a group for each number.
        what: It in a sentence: ``the package is linux-source-6.1``.
    """

    pattern: re.Pattern[str]
    name: str
    what: str


class TreeCache(Protocol):
    """The cache's trees of one kernel."""

    def bring(self, source: Bringing, *, refresh: bool) -> Tree:
        """What source has, from the cache or brought in."""


class Source(Protocol):
    """One kernel's source, as its section says."""

    def tree(self, cache: TreeCache, *, refresh: bool) -> Tree:
        """It at an exact identity: as it is where it is, or brought in.

        Args:
            refresh: Whether what the cache has is asked for again.
        """


class Bringing(Source, Protocol):
    """A source that is brought into the cache, where it stays as it is."""

    def tree(self, cache: TreeCache, *, refresh: bool) -> Tree:
        """That of the cache."""
        return cache.bring(self, refresh=refresh)

    def identify(self) -> TreeIdentity:
        """Exactly what would be brought in now."""

    def write(self, source: Path, work: Path) -> Brought:
        """Bring it in.

        Args:
            source: Where the tree goes; does not exist yet.
            work: An empty folder for what is needed on the way.
        """

    def recheck(self, record: Mapping[str, str]) -> Mapping[str, str] | None:
        """What there is to record now of a tree that is there; None when ``record`` can stay.

        Raises:
            BadSignature: It must not stay.
        """
        return None


_Section = TypeVar("_Section", bound=KernelSection, contravariant=True)


class SourceKind(Protocol[_Section]):
    """A ``kind`` of ``[kernels.X]``; its identities begin with its name."""

    #: The key of its section that says where it comes from.
    key: str
    #: Whether what it brings in comes from the mirror in the cache.
    mirrored: bool = False

    def source(self, section: _Section, request: Request) -> Source:
        """What brings it in; raises UserError if the section cannot mean anything."""

    def by_hand(self, identity: TreeIdentity, section: Mapping[str, Any]) -> str:
        """Shell commands that fill the empty folder $source with exactly this.

        $work is another to work in, and ``stop WHY`` ends the script.

        Args:
            section: As it was recorded, maybe by an older lab.
        """

    def names(self, section: _Section) -> Iterator[Called]:
        """What in its section may say a version."""
        return iter(())

    def commits(
        self, section: _Section, root: Path, before: TreeIdentity, after: TreeIdentity
    ) -> Commits | None:
        """Those between two of its identities, where their history is on this machine.

        Raises:
            LabError: It is, and cannot be read.
        """
        return None

    def folder(self, section: _Section) -> Path | None:
        """The user's own, where it is one that is used as it is."""
        return None


_HERE = __name__.rpartition(".")[0]

#: ``MODULE:NAME`` of a SourceKind, by what ``kind`` of ``[kernels.X]`` says.
SOURCES: dict[str, str] = {
    "apt": f"{_HERE}.apt:APT",
    "dir": f"{_HERE}.directory:DIR",
    "git": f"{_HERE}.git:GIT",
    "tarball": f"{_HERE}.tarball:TARBALL",
}


def source_kind(kind: str) -> SourceKind[Any]:
    """A kind by its name; raises KeyError."""
    found: SourceKind[Any] = made_by(SOURCES[kind])
    return found


def commits_between(
    section: KernelSection, root: Path, before: TreeIdentity, after: TreeIdentity
) -> Commits | None:
    """The commits between two of a kernel's identities; None where nobody can know them.

    Raises:
        LabError: Their history cannot be read.
    """
    if {before.kind, after.kind} != {section.kind}:
        return None
    return source_kind(section.kind).commits(section, root, before, after)
