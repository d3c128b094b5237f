# SPDX-License-Identifier: GPL-2.0-only
"""The diff in a patch file, refused where git would guess or be silent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import Location, UserError

if TYPE_CHECKING:
    from unidiff.patch import Hunk, PatchedFile, PatchSet

_DEV_NULL = "/dev/null"
#: Folders in folders: 7.2 has 12.
_DEEPEST = 100
#: git mailinfo's, or nearly: dashes with scissors, and words between more of them.
SCISSORS = r"-[ \t-]*(?:>8|8<|>%|%<)[^\n]*-"
#: Where a message ends, or begins, or a mail does: no diff goes on below it, and git apply
#: takes one that a message only shows with the patch (git-mailinfo(1), git-format-patch(1)).
_BETWEEN = re.compile(rf"---\s*|-- \r?\n|{SCISSORS}\s*")
#: What no file of a kernel has in its name, and what ends a line of a manifest.
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class TwoDiffs(UserError):
    """Nothing is wrong with either of them, so there is nothing to rebuild."""


def split_lines(content: bytes) -> list[str]:
    """The lines of a file, ends kept; bytes that are not UTF-8 become escapes."""
    text = content.decode(errors="backslashreplace")
    # Only LF ends a line: str.splitlines() also takes form feeds, which C files have.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def diff_start(lines: Sequence[str]) -> int | None:
    """The index of the first line of the first diff, or None."""
    for index, line in enumerate(lines):
        if line.startswith("diff --git "):
            return index
        if line.startswith("--- ") and lines[index + 1 : index + 2] and _is_target(lines, index):
            return index
    return None


def _is_target(lines: Sequence[str], index: int) -> bool:
    return lines[index + 1].startswith("+++ ")


def parse_diff(path: Path, lines: Sequence[str], start: int) -> PatchSet:
    """The diff that begins at ``lines[start]`` of the patch file ``path``.

    Its line numbers (``diff_line_no``) are those of the patch file.

    Raises:
        UserError: A hunk has more or fewer lines than its header counts, has no
            context, or something git would skip stands between the hunks.
    """
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    # The message may hold anything; empty lines in its place keep the numbers.
    reader = _Reader(["\n"] * start + list(lines[start:]))
    try:
        diff = PatchSet(reader)
    except UnidiffParseError as error:
        raise _malformed(path, reader, str(error)) from None
    except ValueError:
        # int() takes no more than 4,300 digits.
        raise _unreadable(path, reader.number) from None
    _refuse_leftovers(path, lines, start, diff)
    for file in diff:
        _refuse_file(path, file)
    return diff


class _Reader:
    """Lines that remember how far they were read, since unidiff does not say it."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.number = 0
        self.hunk = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, 1):
            self.number = number
            if line.startswith("@@ -"):
                self.hunk = number
            yield line


def _malformed(path: Path, reader: _Reader, said: str) -> UserError:
    if said.startswith("Hunk "):
        return UserError(
            "the hunk does not have the lines that its header counts "
            f"(read as far as line {reader.number}): the patch was cut off or edited by hand",
            where=Location(path, reader.hunk),
            hint="get it again, or make it again with git diff; if an archive ate white space, "
            "lab patch import FILE --kernel KERNEL",
        )
    if said.startswith("Target without source"):
        return UserError(
            "this is another file than the line `diff --git` above it names",
            where=Location(path, reader.number),
            hint="make the patch again with git format-patch; a name with a space in it "
            "wants a/ and b/ before it",
        )
    return UserError(
        f"this is not a diff: {said.strip()}",
        where=Location(path, reader.number),
        hint="make the patch again with git diff or git format-patch",
    )


def _unreadable(path: Path, number: int) -> UserError:
    return UserError(
        "this hunk header cannot be read",
        where=Location(path, number),
        hint="make the patch again with git diff or git format-patch",
    )


def _combined(path: Path, number: int) -> UserError:
    return UserError(
        "this is the diff of a merge against all of its parents, which nothing can apply",
        where=Location(path, number),
        hint="git diff COMMIT^ COMMIT, or the commits that the merge brought",
    )


def header_line(hunk: Hunk) -> int:
    """The line of the hunk's header in the patch file."""
    return (hunk[0].diff_line_no or 1) - 1


def first_line(file: PatchedFile) -> int:
    """The line of the file's first hunk in the patch file, or else of its diff header."""
    return header_line(file[0]) if len(file) else file.diff_line_no or 1


def _hunk_lines(diff: PatchSet) -> set[int]:
    inside = set()
    for file in diff:
        for hunk in file:
            inside.add(header_line(hunk))
            inside.update(line.diff_line_no for line in hunk if line.diff_line_no)
    return inside


def _refuse_leftovers(path: Path, lines: Sequence[str], start: int, diff: PatchSet) -> None:
    # git apply takes whatever follows a hunk for text that belongs to no patch: a
    # line too many is dropped in silence, and so is a hunk with a broken header.
    inside = _hunk_lines(diff)
    last = _last_diff(lines, start, inside)
    for number in range(start + 1, len(lines) + 1):
        if number in inside:
            continue
        line = lines[number - 1]
        if number < last and _BETWEEN.fullmatch(line):
            raise _two_diffs(path, lines, number, last)
        if line.startswith("\\ ") and number - 1 in inside:
            inside.add(number)
        elif line.startswith("@@@"):
            raise _combined(path, number)
        elif line.startswith("@@"):
            raise _unreadable(path, number)
        elif number - 1 in inside and _looks_like_hunk(lines, number - 1):
            raise UserError(
                "the hunk has more lines than its header counts",
                where=Location(path, _header_above(lines, number)),
                hint="make the patch again with git diff",
                detail=f"{number}: {line}",
            )


def _last_diff(lines: Sequence[str], start: int, inside: set[int]) -> int:
    """The number of the line that the last file of the diff begins with."""
    begun = (n for n in range(len(lines), start, -1) if n not in inside)
    return next((n for n in begun if diff_start(lines[n - 1 : n + 1]) == 0), 0)


def _two_diffs(path: Path, lines: Sequence[str], number: int, last: int) -> TwoDiffs:
    below = lines[last - 1].strip()
    return TwoDiffs(
        "there is a diff above this line, and one below it: which of them is the patch?",
        where=Location(path, number),
        detail=f"{number}: {lines[number - 1].rstrip()}\n{last}: {below}",
        hint="take out the one that the text only speaks of, or put a space before its lines",
    )


def _looks_like_hunk(lines: Sequence[str], index: int) -> bool:
    line = lines[index]
    # A mail signature begins with "-- ", the next file with "--- " and "+++ ".
    if line.rstrip() == "--" or diff_start(lines[index : index + 2]) == 0:
        return False
    return line[0] in " +-"


def _header_above(lines: Sequence[str], number: int) -> int:
    return next(above for above in range(number, 0, -1) if lines[above - 1].startswith("@@ -"))


def _refuse_file(path: Path, file: PatchedFile) -> None:
    if file.is_submodule:
        raise UserError("a patch cannot change a submodule", where=Location(path, first_line(file)))
    for hunk in file:
        if _floats(hunk):
            raise UserError(
                "the hunk has no context, so nothing tells where it belongs",
                where=Location(path, header_line(hunk)),
                hint="make the patch with three lines of context: git diff -U3",
            )


def _floats(hunk: Hunk) -> bool:
    # git apply puts an addition without context at the end of the file, whatever
    # its line number says.  Line 0 or 1 is where whole files begin.
    if any(line.is_context for line in hunk):
        return False
    return hunk.source_start > 1 or (hunk.source_start == 1 and hunk.source_length == 0)


def file_names(path: Path, file: PatchedFile, strip: int) -> tuple[str | None, str | None]:
    """The file's name before and after, from the top of the tree; None where it is not.

    Raises:
        UserError: The name has no more than ``strip`` folders, or leaves the tree.
    """
    where = Location(path, first_line(file))
    before, after = (
        None if name == _DEV_NULL else stripped(unquoted(name), strip, where)
        for name in (file.source_file, file.target_file)
    )
    return before, after


def stripped(name: str, strip: int, where: Location) -> str:
    """``name`` without its first ``strip`` folders, as ``patch -pN`` names it."""
    parts = name.split("/")
    if len(parts) <= strip:
        raise UserError(f"{name} has no {strip} folders to strip (-p{strip})", where=where)
    if CONTROL.search(name):
        raise UserError(
            f"the file's name {name!r} holds a line break or another unprintable character",
            where=where,
            hint="rename it",
        )
    kept = parts[strip:]
    if "" in kept or ".." in kept or "." in kept or ".git" in kept:
        raise UserError(f"{'/'.join(kept)} is not a path inside of the kernel's tree", where=where)
    if len(kept) > _DEEPEST:
        raise UserError(f"the file is {len(kept)} folders deep", where=where, hint="rename it")
    return "/".join(kept)


def unquoted(name: str) -> str:
    """A path as it is on disk; git writes unusual ones as C strings."""
    name = name.rstrip("\r")
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name
    try:
        raw = name[1:-1].encode("latin-1", errors="backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:
        return name
    return raw.encode("latin-1", errors="replace").decode(errors="surrogateescape")
