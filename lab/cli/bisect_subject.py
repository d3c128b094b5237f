# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab bisect`` is to look through, as it was spelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError
from lab.model.variant import Variant

if TYPE_CHECKING:
    from lab.bisect.subjects.setup import Buildable
    from lab.session import Lab


class Of(StrEnum):
    """What is between the ends."""

    COMMITS = "commits"
    PATCHES = "patches"
    REVISIONS = "revisions"
    RELEASES = "releases"
    OPTIONS = "options"
    TOOLCHAINS = "toolchains"
    MENDS = "mends"


@dataclass(frozen=True)
class Given:
    """What names the ends, and all between.

    Args:
        kernel: That all is built of, or whose commits are meant; None where none was named.
        words: What the sides are called.
        old, new: The ends as they were spelled, of whatever kind they are; none, and "", where
            none was named.
        series: What goes on top; of patches the one whose they are.
    """

    kernel: str | None
    tree: Path | None
    words: tuple[str, str]
    old: tuple[str, ...]
    new: str
    series: tuple[str, ...]
    first_parent: bool

    @property
    def variant(self) -> Variant:
        """The kernel, with what goes on top.

        Raises:
            UserError: None was named.
        """
        if self.kernel is None:
            raise UserError("on which kernel?", hint="lab bisect KERNEL --of …")
        return Variant(self.kernel, self.series)

    @property
    def ends(self) -> tuple[str, str]:
        """One end on each side.

        Raises:
            UserError: One is missing, or there are two.
        """
        self.both()
        if len(self.old) > 1:
            word = self.words[0]
            raise UserError(f"--{word} {' and '.join(self.old)}", hint=f"one --{word} of these")
        return self.old[0], self.new

    def both(self) -> None:
        """Refuse what has only one end, or none."""
        for word, given in zip(self.words, (self.old, self.new), strict=True):
            if not given:
                hint = f"--{self.words[0]} A --{self.words[1]} B"
                raise UserError(f"there is no --{word} end", hint=hint)


@contextmanager
def subject_of(opened: Lab, of: Of, given: Given) -> Iterator[Buildable]:
    """What is bisected, for as long as the block runs.

    Raises:
        UserError: An end is missing, or none; or nothing is between them.
    """
    if of is Of.COMMITS:
        from lab.bisect.subjects.commits import open_commits

        given.both()
        folder = _repository(opened, given)
        series, first = given.series, given.first_parent
        with open_commits(
            opened, folder, given.old, given.new, series=series, first_parent=first
        ) as commits:
            yield commits
        return
    if given.first_parent or given.tree is not None:
        what = "--first-parent" if given.first_parent else "--tree"
        raise UserError(f"{what}: there are no commits in {of}", hint="--of commits")
    yield _in_lab(opened, of, given)


def _in_lab(opened: Lab, of: Of, given: Given) -> Buildable:
    """What is of ``lab.toml``, of ``patches/`` or of this machine."""
    if of is Of.PATCHES:
        return _patches(opened, given)
    if of is Of.MENDS:
        from lab.bisect.subjects.toolchains import mends_of

        if given.old or given.new:
            what = f"--{given.words[0]} and --{given.words[1]}: {of} have no ends"
            raise UserError(what, hint="they are from none to all that the kernel gets")

        return mends_of(opened, given.variant)
    old, new = given.ends
    if of is Of.RELEASES:
        from lab.bisect.subjects.releases import releases_of

        opened.loaded.require("kernel", old, new)
        return releases_of(opened, old, new, given.series)
    if of is Of.REVISIONS:
        from lab.bisect.subjects.revisions import revisions_of

        return revisions_of(opened, given.variant, old, new)
    if of is Of.OPTIONS:
        from lab.bisect.subjects.options import options_of

        return options_of(opened, given.variant, old, new)
    from lab.bisect.subjects.toolchains import toolchains_of

    return toolchains_of(opened, given.variant, old, new)


def _patches(opened: Lab, given: Given) -> Buildable:
    """The first so many patches of the one series; none and all where no ends are named."""
    from lab.bisect.subjects.patches import patches_of

    if not given.series:
        raise UserError("the patches of which series?", hint="--with SERIES")
    *beneath, series = given.series
    if len(given.old) > 1:
        raise UserError(f"--{given.words[0]} {' and '.join(given.old)}", hint="one number")
    numbers = [_number(text) if text else None for text in (*given.old[:1], given.new)]
    old, new = numbers if given.old else (None, numbers[0])
    kernel = Variant(given.variant.kernel, tuple(beneath))
    return patches_of(opened, series, kernel, old, new)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"{text} is no number of patches", hint="0 is the kernel without any")
    return int(text)


def _repository(opened: Lab, given: Given) -> Path:
    """The repository whose commits are bisected."""
    from lab.config.model import GitKernel
    from lab.trees.history import repository_here

    kernel = given.kernel
    if given.tree is not None:
        if kernel is not None:
            raise UserError(f"{kernel} and --tree: which has the commits?", hint="one of them")
        return given.tree
    if kernel is None:
        raise UserError("commits of what?", hint="--tree DIR, or a git kernel of lab.toml")
    section = opened.loaded.config.kernels[kernel]
    if not isinstance(section, GitKernel):
        raise UserError(f"{kernel} is no git kernel: it has no commits", hint="--tree DIR")
    folder = repository_here(section, opened.loaded.root)
    if folder is None:
        hint = f"--tree DIR, a clone of {section.url}"
        raise UserError(f"{kernel} is in a repository elsewhere", hint=hint)
    return folder
