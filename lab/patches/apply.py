# SPDX-License-Identifier: GPL-2.0-only
"""Patches applied to a tree, exactly or not at all; the tree is only read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InfrastructureError, Location, UserError
from lab.patches.check import check_index
from lab.patches.diagnose import already_applied, explain, strip_hint
from lab.patches.diff import file_names, first_line, split_lines, unquoted
from lab.patches.hunk_position import image, occurrences
from lab.patches.in_place import is_in_place
from lab.patches.overlay import Overlay, Replacement
from lab.patches.patch import Patch
from lab.patches.patched_tree import View
from lab.patches.scratch_tree import changes, git_apply, read_files, write_files
from lab.process import Result
from lab.process.temporary import temporary_folder
from lab.trees import Tree

_CHECKING = re.compile(r"^Checking patch .*\.\.\.$", re.MULTILINE)
_OFFSET = re.compile(r"^Hunk #(\d+) succeeded at \d+ \(offset (-?\d+) lines?\)", re.MULTILINE)
#: Does not apply; cannot be read; and an assertion of git's (2.39), which a diff with
#: its lines in disorder brings about.
_VERDICTS = (1, 128, 134)
_NO_SPACE = "No space left on device"
_NOTHING = Overlay.empty()


@dataclass(frozen=True)
class Offset:
    """A hunk that git found ``lines`` further down than its header says.

    ``places`` is how often its lines are in the file: with more than one, it may
    have gone into the wrong function (gentoo/portage#481).
    """

    hunk: int
    lines: int
    places: int

    def __str__(self) -> str:
        text = f"hunk {self.hunk} applied at an offset of {self.lines:+d} lines"
        if self.places > 1:
            text += f", and its lines are in the file {self.places} times: look whether it is right"
        return text


@dataclass(frozen=True)
class Note:
    """How a patch went into one file.

    ``exact_blob``: the file was the very blob the patch was made from, and is now
    the blob its author had.
    """

    patch: Path
    file: str
    exact_blob: bool
    offsets: tuple[Offset, ...]

    def __str__(self) -> str:
        how = ["from and to the exact blobs it names"] if self.exact_blob else []
        how.extend(map(str, self.offsets))
        return f"{self.patch.name}: {self.file}: {'; '.join(how) or 'applied at its lines'}"


@dataclass(frozen=True)
class Applied:
    """What the patches make of the tree, and a note for each file of each patch."""

    overlay: Overlay
    notes: tuple[Note, ...]


def apply(tree: Tree, patches: Sequence[Patch], *, start: Overlay = _NOTHING) -> Applied:
    """Apply the patches in order, over ``start``, without fuzz.

    Raises:
        Refused: One does not apply, and where, and what stands there instead; or
            its result is not the blob that it names.
        InfrastructureError: The tree was changed, or there is no space.
    """
    view = View(tree, start)
    notes: list[Note] = []
    for patch in patches:
        notes.extend(apply_one(view, patch))
    return Applied(view.overlay, tuple(notes))


def carries(tree: Tree, patch: Patch, *, over: Overlay = _NOTHING) -> bool:
    """Whether the tree, with ``over`` laid on it, has already what the patch makes of it."""
    files = _touched(View(tree, over), patch)
    with temporary_folder("patch") as name:
        write_files(Path(name), files)
        return git_apply(Path(name), patch, "--reverse").status == 0


def apply_one(view: View, patch: Patch) -> tuple[Note, ...]:
    """Apply one patch to what ``view`` shows, and lay its changes over that.

    Raises:
        As apply(); ``view`` is then as it was.
    """
    try:
        changed, notes = _tried(view, patch)
    except OSError as error:
        raise InfrastructureError(f"the patch could not be tried: {error}") from error
    view.add(changed)
    return tuple(notes)


def _tried(view: View, patch: Patch) -> tuple[dict[str, Replacement | None], list[Note]]:
    before = _touched(view, patch)
    with temporary_folder("patch") as name:
        write_files(Path(name), before)
        result = git_apply(Path(name), patch)
        if result.status != 0:
            raise _refused(view, patch, before, Path(name), result)
        after = read_files(Path(name))
    _refuse_unforeseen(patch, after)
    proved = check_index(patch, before, after)
    return changes(before, after), list(_notes(patch, before, proved, result.stderr))


def _names(patch: Patch) -> dict[str, Location]:
    return {
        name: Location(patch.path, first_line(file))
        for file in patch.diff
        for name in file_names(patch.path, file, patch.strip)
        if name is not None
    }


def _touched(view: View, patch: Patch) -> dict[str, Replacement]:
    names = _names(patch)
    for name, where in names.items():
        above = view.file_above(name)
        if above is not None and above not in names:
            raise UserError(f"{name} is not in the tree: {above} is no folder", where=where)
        if name not in view and view.is_folder(name):
            raise UserError(f"{name} is a folder in the tree", where=where)
    _refuse_other_folder(view, patch)
    files = {name: view.read(name) for name in names}
    return {name: file for name, file in files.items() if file is not None}


def _refuse_other_folder(view: View, patch: Patch) -> None:
    """Refuse what `a/linux/mm/new.c` makes where mm/new.c is meant: nothing is in its way."""
    for file in patch.diff:
        old, new = file_names(patch.path, file, patch.strip)
        if old is not None or new is None or "/" not in new:
            continue
        top, raw = new.partition("/")[0], unquoted(file.target_file)
        deeper = raw.split("/")[patch.strip + 1 : -1]
        if deeper and not view.is_folder(top) and view.is_folder("/".join(deeper)):
            raise UserError(
                f"{new} is a new file in {top}/, which is not in the tree; {'/'.join(deeper)}/ is",
                where=Location(patch.path, first_line(file)),
                hint=strip_hint(patch, patch.strip + 1),
            )


def _refused(
    view: View, patch: Patch, before: Mapping[str, Replacement], folder: Path, result: Result
) -> Exception:
    if result.status not in _VERDICTS or _NO_SPACE in result.stderr:
        return InfrastructureError(
            f"git apply ended with status {result.status}", detail=result.stderr
        )
    if _is_there(folder, patch, before):
        return already_applied(patch)
    return explain(patch, view, before, result.stderr)


def _is_there(folder: Path, patch: Patch, before: Mapping[str, Replacement]) -> bool:
    """Whether the patch can be taken off, and its lines are where it would put them."""

    def read(name: str) -> bytes | None:
        return before[name].content if name in before else None

    return git_apply(folder, patch, "--reverse").status == 0 and is_in_place(patch, read)


def _refuse_unforeseen(patch: Patch, after: Mapping[str, Replacement]) -> None:
    # git goes by the lines below `diff --git` where they name another file.  One that
    # was never copied for git to look at would be written over blindly.
    for name in after.keys() - _names(patch).keys():
        raise UserError(
            f"the patch makes {name}, which its `diff --git` line does not name",
            where=Location(patch.path),
            hint="make the patch again with git diff",
        )


def _notes(
    patch: Patch, before: Mapping[str, Replacement], proved: frozenset[str], said: str
) -> Iterator[Note]:
    for file, report in zip(patch.diff, _reports(patch, said), strict=True):
        names = [name for name in file_names(patch.path, file, patch.strip) if name is not None]
        # Where `---` names a copy (mm/gup.c.orig), only the other is in the tree.
        found = next((before[name] for name in names if name in before), None)
        lines = [line.rstrip("\n") for line in split_lines(found.content)] if found else []
        offsets = tuple(
            Offset(int(hunk), int(by), len(occurrences(lines, image(file[int(hunk) - 1]).before)))
            for hunk, by in _OFFSET.findall(report)
        )
        yield Note(patch.path, names[-1], names[-1] in proved, offsets)


def _reports(patch: Patch, said: str) -> list[str]:
    # What git says of each file, in the order of the patch; a count of its own.
    reports = _CHECKING.split(said)[1:]
    if len(reports) != len(patch.diff):
        raise UserError(
            f"git finds {len(reports)} files in the patch, its headers name {len(patch.diff)}",
            where=Location(patch.path),
            hint="make the patch again with git diff",
        )
    return reports
