# SPDX-License-Identifier: GPL-2.0-only
"""A commit taken out of a later one: a commit of the lab's own, in its mirror."""

from __future__ import annotations

from lab.bisect.point import Point
from lab.config.model import GitKernel
from lab.errors import UserError
from lab.model.url import Url
from lab.process.deadline import Deadline
from lab.process.temporary import temporary_folder
from lab.session import Lab
from lab.trees.git import GIT
from lab.trees.repository import Commit, Repository
from lab.trees.request import Request

_SHORT = 12


def revert(lab: Lab, repository: Repository, commit: Commit, onto: str) -> Point | None:
    """The point that is ``onto`` without what a commit changed; None where that is not clean.

    A kernel of the repository with the point's digits is found in the mirror of the lab's cache
    then.  The repository itself is only read.

    Raises:
        InfrastructureError: The mirror cannot be written.
    """
    # Of a merge nobody can say which side is to go; a root has nothing before it.
    if len(commit.parents) != 1:
        return None
    try:
        patch = repository.diff(commit.id, commit.parents[0])
    except UserError:
        return None
    if not patch.strip():
        return None
    title = f'Revert "{commit.subject}"'
    kernel = GitKernel(kind="git", url=Url(str(repository.folder)), ref=onto)
    deadline = Deadline("fetch", lab.loaded.config.deadlines.fetch)
    request = Request(onto[:_SHORT], lab.cache, lab.loaded.root, deadline, lab.listener.say)
    message = f"{title}\n\nThis reverts commit {commit.id}.\n"
    with temporary_folder("revert") as work:
        made = GIT.source(kernel, request).with_patch(patch, message, work)
    return Point(made, made[:_SHORT], title) if made else None
