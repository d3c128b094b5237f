# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a repository as a series, and the commit that it goes onto."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError
from lab.patches.intake.choose import Choice
from lab.patches.intake.keep import Intake, intake_of
from lab.patches.intake.letter import Letter
from lab.patches.intake.link import mail_of
from lab.patches.intake.subject import Subject
from lab.trees.repository import Commit, Repository, open_repository

#: Of a range: git format-patch numbers with four digits.
_MOST_PATCHES = 999
_SHOWN = 12
#: What no kernel is built from; Documentation has a Kconfig and a Makefile that count.
_UNBUILT = re.compile(
    r"Documentation/(?!(?:.*/)?(?:Kconfig|Makefile)$).*"
    r"|LICENSES/.*|COPYING|CREDITS|MAINTAINERS|README|\.mailmap|\.gitignore|\.get_maintainer\.ignore"
)
#: A line of a message that would be taken for the beginning of the diff below it.
_AS_A_DIFF = re.compile(r"^(?=diff --git |--- )", re.MULTILINE)
_FILE = re.compile(rb"^diff --git ", re.MULTILINE)


@dataclass(frozen=True)
class CommitIntake:
    """A series of commits, not written yet; ``base`` is the commit that it goes onto.

    ``folder`` is the repository; ``told`` what there is to know before anything begins.
    """

    intake: Intake
    folder: Path
    base: str
    told: tuple[str, ...] = ()


def read_commits(given: str, folder: Path, patches: Path, name: str | None = None) -> CommitIntake:
    """The series that a commit, or a range ``A..B``, of a repository is.

    Args:
        patches: The folder of series that it would be kept in.
        name: Instead of one made of its title.

    Raises:
        UserError: It is no series: a merge, a root, an empty range, one with merges in it;
            or nothing that a kernel is built from is changed by it.
    """
    with open_repository(folder) as repository:
        asked = _asked(repository, given)
        letters = list(_letters(repository, asked))
        if not letters:
            raise UserError(f"{given} changes no file", where=repository.folder)
        names = [name for each in asked.commits for name in _names(repository, each)]
        if all(_UNBUILT.fullmatch(name) for name in names):
            listed = ", ".join(dict.fromkeys(names[:_SHOWN]))
            what = f"{given} changes nothing that a kernel is built from: {listed}"
            raise UserError(what, where=repository.folder, hint="no test can tell the two apart")
        origin = {
            "tree": str(repository.folder),
            "commits": given,
            "base-commit": asked.base,
            # Of a range each may be from another thread.
            "message-id": mail_of(asked.commits[0].body) if len(asked.commits) == 1 else "",
        }
        choice = Choice((1,), tuple(letters), None, (), asked.notes, origin)
        intake = intake_of(choice, f"{repository.folder} {given}", patches, name)
        told = (*asked.notes, *_uncommitted(repository))
        return CommitIntake(intake, repository.folder, asked.base, told)


@dataclass(frozen=True)
class _Asked:
    base: str
    commits: tuple[Commit, ...]
    notes: tuple[str, ...] = ()


def _asked(repository: Repository, given: str) -> _Asked:
    if "..." in given:
        one, _, other = given.partition("...")
        what = f"{given} is what two branches have apart from each other: no series"
        hint = f"{one}..{other}: what {other or 'HEAD'} has on top of where they part"
        raise UserError(what, where=repository.folder, hint=hint)
    if ".." in given:
        first, _, last = given.partition("..")
        return _range(repository, given, first or "HEAD", last or "HEAD")
    return _one(repository, given)


def _one(repository: Repository, given: str) -> _Asked:
    (commit,) = repository.commits(repository.resolve(given))
    _refuse_merge(repository, commit)
    _refuse_root(repository, commit)
    return _Asked(commit.parents[0], (commit,))


def _range(repository: Repository, given: str, first: str, last: str) -> _Asked:
    start, end = repository.resolve(first), repository.resolve(last)
    ids = repository.between(start, end, _MOST_PATCHES + 1)
    if not ids:
        raise _empty(repository, given, first, last)
    if len(ids) > _MOST_PATCHES:
        what = f"{given} has more than {_MOST_PATCHES} commits"
        raise UserError(what, where=repository.folder, hint="a base that is nearer to its end")
    commits = repository.commits(*ids)
    for commit in commits:
        _refuse_merge(repository, commit)
        _refuse_root(repository, commit)
    base = commits[0].parents[0]
    if base == start:
        return _Asked(base, commits)
    note = f"{last} is not on top of {first}: the base is where they part, {base[:12]}"
    return _Asked(base, commits, (note,))


def _empty(repository: Repository, given: str, first: str, last: str) -> UserError:
    other_way = f"{last}..{first}"
    end, start = repository.resolve(last), repository.resolve(first)
    there = end != start and repository.between(end, start, 1)
    return UserError(
        f"{given} has no commit: {first} has all that {last} has",
        where=repository.folder,
        hint=other_way if there else "BASE..TIP, the base first",
    )


def _refuse_merge(repository: Repository, commit: Commit) -> None:
    if len(commit.parents) < 2:
        return
    into, of = (name[:12] for name in commit.parents[:2])
    raise UserError(
        f"{commit.short} is a merge, and no patch",
        where=repository.folder,
        hint=f"{into}..{of} is what it brought; of a branch with merges in it, git rebase first",
    )


def _refuse_root(repository: Repository, commit: Commit) -> None:
    if not commit.parents:
        if commit.id in repository.shallow:
            what = f"the history of this repository ends at {commit.short}: its parent is not here"
            hint = f"git -C {repository.folder} fetch --deepen=1"
        else:
            what, hint = f"{commit.short} has no parent to be compared with", "a later commit"
        raise UserError(what, where=repository.folder, hint=hint)
    if not repository.has(commit.parents[0]):
        what = f"the parent of {commit.short} is not here"
        hint = f"git -C {repository.folder} fetch --unshallow, or git fsck there"
        raise UserError(what, where=repository.folder, hint=hint)


def _letters(repository: Repository, asked: _Asked) -> Iterator[Letter]:
    for commit in asked.commits:
        diff = repository.diff(commit.parents[0], commit.id)
        # An empty one is kept by git, and no patch.
        if _FILE.search(diff):
            yield _letter(commit, diff)


def _letter(commit: Commit, diff: bytes) -> Letter:
    body = _AS_A_DIFF.sub(" ", commit.body.strip("\n"))
    return Letter(
        place=commit.id[:12],
        subject=Subject(commit.subject, patch=True),
        headline=commit.subject,
        author=commit.author,
        date=commit.date,
        message=f"{body}\n---\n" if body else "---\n",
        diff=diff,
        commit=commit.id,
    )


def _names(repository: Repository, commit: Commit) -> Sequence[str]:
    options = ("-r", "--name-only", "--no-renames", "-z")
    said = repository.git("diff-tree", *options, commit.parents[0], commit.id).stdout
    return [name for name in said.split("\0") if name]


def _uncommitted(repository: Repository) -> Iterator[str]:
    names = repository.changed_files()
    if names:
        more = f" and {len(names) - 1} more" if names[1:] else ""
        what = "has changes that are not committed, and not used"
        yield f"{repository.folder} {what}: {names[0]}{more}"
