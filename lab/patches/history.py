# SPDX-License-Identifier: GPL-2.0-only
"""A series in the history of a repository: its commits, and where its pre-images were."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.patches.check import index_line
from lab.patches.diff import file_names
from lab.patches.patch import Patch
from lab.patches.scratch_tree import patch_id, patch_ids
from lab.patches.standing import paths_of
from lab.process import ProcessFlood, ProcessKilled, ProcessTimeout
from lab.process.temporary import temporary_folder
from lab.trees.repository import Commit, Repository

#: Seconds that one walk through a history may take.  Of mainline's 1.3 million commits one
#: takes some ten seconds for a file, and one with a commit-graph of changed paths.
_WALK_S = 300.0
#: Commits of its files whose patch-ids are compared, the newest first, and bytes of them.
_MOST_COMMITS = 3000
_MOST_BYTES = 256 << 20
#: Of an id in a message: what is shorter names several commits of a kernel.
_DIGITS = 10
_NULL = re.compile("0+")
#: How a message says whose copy it is: of stable series, of those that Sasha Levin makes, and
#: of git cherry-pick -x (Documentation/process/stable-kernel-rules.rst).
_COPY_OF = re.compile(
    r"^\s*(?:commit ([0-9a-f]{10,40}) upstream\.?|\[ ?upstream commit ([0-9a-f]{10,40}) ?\]"
    r"|\(cherry picked from commit ([0-9a-f]{10,40})\))",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Stretch:
    """Where in a history all files of a series were as its patches want them.

    From ``first`` to ``last``; ``ended_by`` changed one of them, None where ``last`` is the
    end of the history.  ``others`` is how often that was so before.
    """

    first: Commit
    last: Commit
    ended_by: Commit | None
    others: int = 0


@dataclass(frozen=True)
class Found:
    """A commit that is a patch, and how that is known."""

    commit: Commit
    how: str


class NoStretch(Exception):
    """Nothing is found; the text says why."""


def copied(message: str) -> str:
    """The commit that a message says it is a copy of; "" where it says none."""
    match = _COPY_OF.search(message)
    return next(filter(None, match.groups())) if match else ""


def stretch(repository: Repository, patches: Sequence[Patch], tip: str) -> Stretch:
    """The newest part of the history of ``tip`` in which the series applies to exact blobs.

    Raises:
        NoStretch: There is none, or it cannot be known.
        UserError: The repository cannot be read.
    """
    wanted = _whole(repository, preimages(patches))
    walked = _walk(repository, tip, wanted)
    if not walked:
        raise NoStretch("no commit has all files as the patches want them")
    asked = dict.fromkeys([tip, *(name for line in walked for name in line)])
    good = dict(zip(asked, _have(repository, list(asked), wanted), strict=True))
    begins = [line[0] for line in walked if good[line[0]] and not any(map(good.get, line[1:2]))]
    if not begins:
        raise NoStretch("no commit has all files as the patches want them at once")
    ends = [line for line in walked if not good[line[0]] and any(map(good.get, line[1:]))]
    # What a merge brought is the work of the commit that it brought.
    ends = [line for line in ends if len(line) == 2] or ends
    order = [line[0] for line in walked]
    end = None if good[tip] or not ends else ends[0]
    older = [order.index(line[0]) for line in ends if line is not end]
    mine = [name for name in begins if not older or order.index(name) < min(older)] or begins
    last = next(name for name in end[1:] if good[name]) if end else tip if good[tip] else mine[0]
    first, until, *ended = repository.commits(mine[-1], last, *(end[:1] if end else ()))
    return Stretch(first, until, ended[0] if ended else None, len(older))


def preimages(patches: Sequence[Patch]) -> dict[str, str]:
    """The blob that a series wants at each path, as far as its index lines say; "" for no file.

    Raises:
        NoStretch: One of its files has no index line.
    """
    wanted: dict[str, str] = {}
    for patch in patches:
        for file in patch.diff:
            old, new = file_names(patch.path, file, patch.strip)
            index = index_line(file)
            if old is not None and old not in wanted:
                if index is None:
                    raise NoStretch(f"{patch.name} has no index line for {old}")
                wanted[old] = "" if _NULL.fullmatch(index.before) else index.before
            if new is not None:
                wanted.setdefault(new, "")
    return wanted


def _whole(repository: Repository, wanted: Mapping[str, str]) -> dict[str, str]:
    """The same with all digits of the blobs."""
    paths = [path for path, blob in wanted.items() if blob]
    found = repository.objects(*(wanted[path] for path in paths))
    whole = dict(wanted)
    for path, blob in zip(paths, found, strict=True):
        if blob is None:
            raise NoStretch(f"no commit has {path} as the patch wants it, blob {wanted[path][:12]}")
        whole[path] = blob
    return whole


def _walk(repository: Repository, tip: str, wanted: Mapping[str, str]) -> list[list[str]]:
    """The commits at which one of the blobs comes or goes, and their parents, newest first."""
    blobs = dict.fromkeys(filter(None, wanted.values()))
    if not blobs:
        raise NoStretch("it only adds files: there is nothing that it wants as it was")
    said = _log(
        repository,
        *("--topo-order", "--no-renames", "--diff-merges=first-parent", "--format=%H %P"),
        *(f"--find-object={blob}" for blob in blobs),
        *(tip, "--", *(path for path, blob in wanted.items() if blob)),
    )
    return [line.split() for line in said.splitlines() if line]


def _log(repository: Repository, *arguments: str, most: int | None = None) -> str:
    """Ask for a log; a file that it is written to is ended at ``most`` bytes, and git with it."""
    try:
        options = ("--literal-pathspecs", "log", "--no-show-signature")
        return repository.git(*options, *arguments, deadline_s=_WALK_S, file_size=most).stdout
    except (ProcessTimeout, ProcessFlood):
        raise NoStretch(
            f"its history takes longer than {_WALK_S:g} s to look through: "
            "git commit-graph write --reachable --changed-paths, there"
        ) from None


def _have(repository: Repository, commits: list[str], wanted: Mapping[str, str]) -> list[bool]:
    """Whether each commit has every file as it is wanted."""
    names = [f"{commit}:{path}" for commit in commits for path in wanted]
    found = iter(repository.objects(*names))
    blobs = [blob or None for blob in wanted.values()]
    return [[next(found) for _ in blobs] == blobs for _ in commits]


def commit_of(repository: Repository, tip: str, patch: Patch, upstream: str = "") -> Found | None:
    """The commit in the history of ``tip`` that is a patch, if one is.

    Args:
        upstream: The commit that the patch is, or is a copy of, where that is known.

    Raises:
        NoStretch: The history is too long to be looked through.
    """
    upstream = upstream or copied(patch.message)
    paths = paths_of([patch])
    found = None
    if upstream:
        found = _itself(repository, tip, upstream) or _copy(repository, tip, upstream, paths)
    found = found or _same_patch(repository, tip, patch, paths)
    return (
        None
        if found is None or _reverted(repository, tip, found.commit, upstream, paths)
        else found
    )


def _itself(repository: Repository, tip: str, commit: str) -> Found | None:
    whole = repository.objects(f"{commit}^{{commit}}")[0]
    if whole is None:
        return None
    done = repository.git(
        "merge-base", "--is-ancestor", whole, tip, check=False, deadline_s=_WALK_S
    )
    return Found(repository.commits(whole)[0], "itself") if done.status == 0 else None


def _copy(repository: Repository, tip: str, commit: str, paths: Sequence[str]) -> Found | None:
    said = _log(
        repository,
        *("-i", f"--grep=commit {commit[:_DIGITS]}", "--format=%H", tip, "--", *paths),
    )
    for found in repository.commits(*said.split()) if said.split() else ():
        named = copied(f"{found.subject}\n{found.body}")
        if named and (named.startswith(commit) or commit.startswith(named)):
            return Found(found, f"commit {commit[:12]} upstream")
    return None


def _same_patch(
    repository: Repository, tip: str, patch: Patch, paths: Sequence[str]
) -> Found | None:
    wanted = patch_id(patch.for_git)
    if not wanted:
        return None
    with temporary_folder("log") as folder:
        log = folder / "log"
        try:
            _log(
                repository,
                *("-p", "-M", "--full-diff", "--format=commit %H", f"--max-count={_MOST_COMMITS}"),
                *(f"--output={log}", tip, "--", *paths),
                most=_MOST_BYTES,
            )
        except ProcessKilled:
            # It was not for its length: nobody knows, then.
            if log.stat().st_size < _MOST_BYTES:
                raise
            return None
        commit = patch_ids(log.read_bytes()).get(wanted)
    return Found(repository.commits(commit)[0], "by its patch-id") if commit else None


def _reverted(
    repository: Repository, tip: str, commit: Commit, upstream: str, paths: Sequence[str]
) -> bool:
    """Whether it was taken back; a revert that is a copy itself names the upstream commit."""
    names = filter(None, (commit.id, upstream, copied(commit.body)))
    greps = dict.fromkeys(f"--grep=This reverts commit {name[:12]}" for name in names)
    said = _log(repository, *greps, "--format=%H", f"{commit.id}..{tip}", "--", *paths)
    return bool(said.strip())
