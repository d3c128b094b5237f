# SPDX-License-Identifier: GPL-2.0-only
"""Two revisions of a series side by side: git range-diff on the patches' own lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError
from lab.patches.diff import diff_start, file_names, parse_diff, split_lines
from lab.patches.scratch_tree import GIT_ENVIRONMENT, patch_id, patch_ids
from lab.process import run
from lab.process.temporary import temporary_folder

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile

#: Of what is shown.
_LINES = 400
_LONGEST_S = 60.0
#: Of more lines than any context has: git shows hunks that are nearer as one.
_GAP = "\n" * 8
_PAIR = re.compile(r" *(\d+|-): +(?:[0-9a-f]+|-+) ([=!<>]) +(\d+|-): +(?:[0-9a-f]+|-+) (.*)")
#: What git am leaves out of a commit's message (git-am(1)).
_BELOW = re.compile(r"^---\s*$", re.MULTILINE)
_WHO = "committer lab <lab@localhost> 0 +0000\n"
_ROOT = f"feature done\ncommit refs/heads/root\n{_WHO}data 0\n\n"


@dataclass(frozen=True)
class Step:
    """A patch of a revision: its title, its message, and all from its diff's first line on."""

    title: str
    message: str
    diff: bytes


def standing(old: Sequence[Step], new: Sequence[Step]) -> dict[str, list[str]]:
    """The titles of what is unchanged (by patch-id), changed, new and gone."""
    before = {patch_id(step.diff): step for step in old}
    found: dict[str, list[str]] = {"unchanged": [], "changed": [], "new": [], "gone": []}
    unchanged = {name for step in new if (name := patch_id(step.diff)) in before}
    left = [step.title for name, step in before.items() if name not in unchanged]
    for step in new:
        if patch_id(step.diff) in unchanged:
            found["unchanged"].append(step.title)
        elif step.title in left:
            left.remove(step.title)
            found["changed"].append(step.title)
        else:
            found["new"].append(step.title)
    found["gone"] = left
    return found


def range_diff(old: Sequence[Step], new: Sequence[Step]) -> tuple[str, ...] | None:
    """What git range-diff says; None where commits of the patches alone would not be these.

    Each patch is a commit on a tree of the lines that its hunks show.  That tree is a merge's,
    which git range-diff passes over: it looks at patches alone (range-diff.c, --no-merges).
    """
    branches = {"old": old, "new": new}
    with temporary_folder("range-diff") as folder:
        try:
            stream = "".join([_ROOT, *(_branch(*each) for each in branches.items()), "done\n"])
        except UserError:
            return None
        _git(folder, "init", "-q", "--bare", "--template=", str(folder))
        _git(folder, "fast-import", "--quiet", "--done", content=_bytes(stream))
        if not all(_is_same(folder, *each) for each in branches.items()):
            return None
        return tuple(_shown(_git(folder, "range-diff", "--no-color", "root..old", "root..new")))


def _git(folder: Path, *words: str, content: bytes | None = None) -> str:
    # Its own repository, and no configuration: nothing of the user's is run.
    environment = {**GIT_ENVIRONMENT, "GIT_DIR": str(folder)}
    done = run(["git", *words], env=environment, check=False, input=content, timeout=_LONGEST_S)
    return done.stdout if done.status == 0 else ""


def _branch(name: str, steps: Sequence[Step]) -> str:
    return f"reset refs/heads/{name}\nfrom refs/heads/root\n\n" + "".join(
        _commits(name, step) for step in steps
    )


def _commits(name: str, step: Step) -> str:
    before, after = _sides(step.diff)
    message = f"{step.title}\n\n{_BELOW.split(step.message)[0].strip()}\n"
    root = "merge refs/heads/root\n"
    return _commit(name, "tree", root, before) + _commit(name, message, "", after)


def _commit(name: str, message: str, merge: str, files: Mapping[str, str]) -> str:
    tree = "".join(f"M 100644 inline {file}\n{_data(text)}" for file, text in files.items())
    head = f"commit refs/heads/{name}\n{_WHO}{_data(message)}"
    return f"{head}{merge}deleteall\n{tree}\n"


def _data(text: str) -> str:
    return f"data {len(_bytes(text))}\n{text}\n"


def _bytes(text: str) -> bytes:
    # A title may have bytes in it that are no UTF-8.
    return text.encode(errors="replace")


def _sides(diff: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """The files as far as the hunks show them, before and after."""
    lines = split_lines(diff)
    path = Path("patch")
    before, after = {}, {}
    for file in parse_diff(path, lines, diff_start(lines) or 0):
        source, target = file_names(path, file, 1)
        if source is not None:
            before[source] = _text(file, removed=True)
        if target is not None:
            after[target] = _text(file, removed=False)
    return before, after


def _text(file: PatchedFile, *, removed: bool) -> str:
    found = []
    for hunk in file:
        # What stands above a hunk is what git names it by.
        found.append(f"{_GAP}{hunk.section_header}\n" if hunk.source_start > 1 else "")
        unwanted = "is_added" if removed else "is_removed"
        found.extend(line.value for line in hunk if not getattr(line, unwanted))
    return "".join(found)


def _is_same(folder: Path, name: str, steps: Sequence[Step]) -> bool:
    """Whether the commits are these patches, by patch-id."""
    options = ("-p", "--no-merges", "--reverse", "--format=commit %H")
    log = _git(folder, "log", *options, f"root..{name}")
    return [*patch_ids(log.encode())] == [patch_id(step.diff) for step in steps]


def _shown(said: str) -> Iterator[str]:
    """The lines, without the names of commits that are nowhere else."""
    lines = said.splitlines()
    for line in lines[:_LINES]:
        match = _PAIR.fullmatch(line)
        yield f"{match[1]} {match[2]} {match[3]}  {match[4]}" if match else line
    if len(lines) > _LINES:
        yield f"and {len(lines) - _LINES} lines more"
