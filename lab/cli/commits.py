# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a git repository where a series is wanted: ``--tree DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.lines import say
from lab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.patches.intake import Intake
    from lab.session import Lab

GitTree = Annotated[
    Path | None,
    typer.Option("--tree", metavar="DIR", help="SERIES is a commit or a range of this repository."),
]


def intake_of_commits(
    opened: Lab, given: str, tree: Path, kernels: Sequence[str]
) -> tuple[Lab, Intake, Sequence[str]]:
    """The series that commits are, not written yet, and the kernels to verify it on.

    These are the commit's parent, or where the range begins, if none is named.

    Raises:
        UserError: There is no such commit, or no series in it.
    """
    from lab.patches.intake.commits import read_commits

    if given in opened.loaded.config.series and (opened.patches / given).is_dir():
        _refuse_both(opened, given, tree)
    taken = read_commits(given, tree, opened.patches)
    for line in taken.told:
        say(f"lab: {line}", err=True)
    if not kernels:
        opened, base = opened.with_commit(taken.folder, taken.base)
        kernels = (base,)
    return opened, taken.intake, kernels


def _refuse_both(opened: Lab, given: str, tree: Path) -> None:
    from lab.trees.repository import open_repository

    with open_repository(tree) as repository:
        try:
            repository.resolve(given)
            hint = f"refs/heads/{given}, or without --tree"
            what = f"{given} is a series as well as a ref of {repository.folder}"
        except UserError:
            hint = f"lab verify {given} KERNEL, without --tree"
            what = f"{given} is a series, and no commit of {repository.folder}"
    raise UserError(what, where=opened.patches / given, hint=hint)


def base_of(opened: Lab, series: str) -> tuple[Lab, tuple[str, ...]]:
    """The kernel that a series of commits was kept for, where its repository is still there.

    A series of which a table says kernels is for those.
    """
    from lab.patches.origin import read_origin

    section = opened.loaded.config.series.get(series)
    origin = read_origin(opened.patches / series)
    if section is None or section.kernels or origin is None or not origin.base:
        return opened, ()
    if origin.tree is None or not origin.tree.is_dir():
        return opened, ()
    opened, name = opened.with_commit(origin.tree, origin.base)
    return opened, (name,)
