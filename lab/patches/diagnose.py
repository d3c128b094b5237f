# SPDX-License-Identifier: GPL-2.0-only
"""Why a patch does not apply: the hunk beside what the file has in its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lab.errors import Location
from lab.patches.diff import file_names, first_line, header_line, split_lines, stripped, unquoted
from lab.patches.hunk_position import Image, closest, image, nearest, occurrences, positions
from lab.patches.overlay import Replacement
from lab.patches.patch import Patch
from lab.patches.patched_tree import View
from lab.patches.refusal import AlreadyApplied, NeedsFuzz, Refused

if TYPE_CHECKING:
    from unidiff.patch import Hunk, PatchedFile

#: patch(1) gives up two lines of context unless it is told otherwise.
_MAX_FUZZ = 2
#: Lines, and characters of one, up to which difflib is asked which is like which: of a
#: thousand alike it thinks for hours.
_FEW = 24
_SHORT = 200
_AROUND = 3
_SAID_LINE = re.compile(r"\bline (\d+)\b")
_PORT = "port the patch to this kernel, or narrow its `# versions:` in the series"
_DROP = "leave it out for this kernel: narrow its `# versions:` in the series"


def explain(patch: Patch, view: View, files: Mapping[str, Replacement], said: str) -> Refused:
    """The error for a patch that git apply refused.

    Args:
        view: The tree as the patch found it.
        files: The files that the patch touches, as it found them.
        said: What git apply wrote; shown when nothing better is found.
    """
    for file in patch.diff:
        error = next(_findings(patch, view, files, file), None)
        if error is not None:
            return _with_fuzz(patch, files, error)
    line = _SAID_LINE.search(said)
    return Refused(
        "git apply refuses the patch",
        where=Location(patch.path, int(line[1]) if line else None),
        detail=said,
        hint="make the patch again with git diff",
    )


def _with_fuzz(patch: Patch, files: Mapping[str, Replacement], error: Refused) -> Refused:
    if needed_fuzz(patch, files) is None:
        return error
    return NeedsFuzz(error.what, where=error.where, hint=error.hint, detail=error.detail)


def needed_fuzz(patch: Patch, files: Mapping[str, Replacement]) -> int | None:
    """The least fuzz with which every hunk has a place; None when there is none.

    patch(1) gives up two lines of context at most.
    """
    most = 0
    for file in patch.diff:
        old, new = file_names(patch.path, file, patch.strip)
        found = files.get(old or "") or files.get(new or "")
        if old is None or found is None:
            return None
        lines = [line.rstrip("\n") for line in split_lines(found.content)]
        for hunk in file:
            fuzz = _put(lines, image(hunk))
            if fuzz is None:
                return None
            most = max(most, fuzz)
    return most or None


def _put(lines: list[str], wanted: Image) -> int | None:
    """Put a hunk into ``lines`` as patch(1) would; returns the fuzz that it took."""
    at = nearest(positions(lines, wanted), wanted.expected)
    if at is not None:
        lines[at : at + len(wanted.before)] = wanted.after
        return 0
    for fuzz in range(1, _MAX_FUZZ + 1):
        before = wanted.fuzzy(fuzz)
        at = nearest(occurrences(lines, before), wanted.expected)
        if at is not None:
            first = min(fuzz, wanted.leading)
            last = len(wanted.after) - min(fuzz, wanted.trailing)
            lines[at : at + len(before)] = wanted.after[first:last]
            return fuzz
    return None


def already_applied(patch: Patch) -> AlreadyApplied:
    """The error for a patch whose reverse applies."""
    return AlreadyApplied(
        "the patch is already applied: the tree has what it would make of it",
        where=Location(patch.path),
        hint=_DROP,
    )


def _findings(
    patch: Patch, view: View, files: Mapping[str, Replacement], file: PatchedFile
) -> Iterator[Refused]:
    old, new = file_names(patch.path, file, patch.strip)
    where = Location(patch.path, first_line(file))
    if old is None and new in files:
        yield Refused(f"{new} is in the tree already", where=where, hint=_DROP)
    elif old is not None and old not in files and new not in files:
        yield Refused(
            f"{old} is not in the tree", where=where, hint=_nearest_file(patch, view, file, old)
        )
    elif old is not None:
        name = old if old in files else str(new)
        lines = [line.rstrip("\n") for line in split_lines(files[name].content)]
        yield from _hunk_findings(patch, name, file, lines)


def _nearest_file(patch: Patch, view: View, file: PatchedFile, missing: str) -> str:
    raw = unquoted(file.source_file)
    for strip in range(raw.count("/") + 1):
        if strip != patch.strip and stripped(raw, strip, Location(patch.path)) in view:
            return strip_hint(patch, strip)
    same = [
        path
        for path in view.entries
        if PurePosixPath(path).name == PurePosixPath(missing).name and path in view
    ]
    near = max(same, key=lambda path: _likeness(path, missing), default=None)
    return f"the nearest is {near}" if near else _PORT


def strip_hint(patch: Patch, strip: int) -> str:
    """What says how many folders of its names are to be taken off."""
    return f"write `{patch.name} -p{strip}` in {patch.path.parent / 'series'}"


def _likeness(path: str, other: str) -> tuple[int, float]:
    shared = set(PurePosixPath(path).parts) & set(PurePosixPath(other).parts)
    return len(shared), difflib.SequenceMatcher(None, path, other).ratio()


def _hunk_findings(
    patch: Patch, name: str, file: PatchedFile, lines: list[str]
) -> Iterator[Refused]:
    shift = 0
    for number, hunk in enumerate(file, 1):
        wanted = image(hunk)
        at = nearest(positions(lines, wanted), wanted.expected)
        if at is None:
            yield _Failure(patch, name, lines, hunk, number, shift).error()
            return
        # The next hunk is looked for in what this one leaves, as git does it.
        lines[at : at + len(wanted.before)] = wanted.after
        shift += len(wanted.after) - len(wanted.before)


@dataclass(frozen=True)
class _Misfit:
    """In which way a hunk does not fit, and the index where it nearly does."""

    reason: str
    at: int
    hint: str = _PORT


@dataclass(frozen=True)
class _Failure:
    """A hunk that has no place in ``lines``, which the hunks above moved by ``shift``."""

    patch: Patch
    name: str
    lines: list[str]
    hunk: Hunk
    number: int
    shift: int

    def error(self) -> Refused:
        wanted = image(self.hunk)
        misfit = _misfit(self.lines, wanted)
        return Refused(
            f"hunk {self.number} of {self.name} does not apply: {misfit.reason}"
            f" ({self._range(misfit.at, len(wanted.before))})",
            where=Location(self.patch.path, header_line(self.hunk)),
            detail="\n".join(self._beside(wanted, misfit.at)),
            hint=misfit.hint,
        )

    def _range(self, at: int, size: int) -> str:
        first = at - self.shift + 1
        return f"{self.name}:{first}-{max(first, first + size - 1)}"

    def _beside(self, wanted: Image, at: int) -> list[str]:
        found = self.lines[at : at + len(wanted.before)]
        first = header_line(self.hunk) + 1
        last = first + len(self.hunk) - 1
        return _compared(
            wanted.before,
            found,
            f"wanted: {self.patch.name}:{first}-{last}",
            f"found:  {self._range(at, len(wanted.before))}",
        )


def _compared(wanted: Sequence[str], found: Sequence[str], left: str, right: str) -> list[str]:
    if [line.split() for line in wanted] == [line.split() for line in found]:
        wanted, found = [_visible(line) for line in wanted], [_visible(line) for line in found]
    return [f"--- {left}", f"+++ {right}", *_marked(wanted, found)]


def _marked(wanted: Sequence[str], found: Sequence[str]) -> list[str]:
    """Both, line by line: what is in one alone has a sign before it."""
    longest = max(map(len, (*wanted, *found)), default=0)
    if max(len(wanted), len(found)) <= _FEW and longest <= _SHORT:
        return [line for line in difflib.ndiff(wanted, found) if line[0] != "?"]
    same = _same(wanted, found)
    first = max(same - _AROUND, 0)
    end = _AROUND + _FEW + same
    left, right = wanted[same:end], found[same:end]
    lines = [f"  ... {first} lines that are the same"] if first else []
    lines += [f"  {line}" for line in wanted[first:same]]
    lines += [f"- {line}" for line in left] + [f"+ {line}" for line in right]
    rest = max(len(wanted), len(found)) - end
    lines += [f"  ... {rest} more lines"] if rest > 0 else []
    return [line if len(line) <= _SHORT else f"{line[:_SHORT]}..." for line in lines]


def _same(wanted: Sequence[str], found: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(wanted, found, strict=False))
    shorter = min(len(wanted), len(found))
    return next((number for number, (one, other) in pairs if one != other), shorter)


def _visible(line: str) -> str:
    body = line.rstrip(" \t\r")
    tail = line[len(body) :].replace(" ", "·").replace("\r", "␍")
    return (body + tail).replace("\t", "→")


def _misfit(lines: Sequence[str], wanted: Image) -> _Misfit:
    for find in (_applied, _line_ends, _white_space, _elsewhere, _fuzz):
        misfit = find(lines, wanted)
        if misfit is not None:
            return misfit
    at = closest(lines, wanted.before, wanted.expected)
    return _Misfit("these lines are nowhere in the file, the most similar are", at)


def _applied(lines: Sequence[str], wanted: Image) -> _Misfit | None:
    at = nearest(occurrences(lines, wanted.after), wanted.expected)
    return None if at is None else _Misfit("it is already applied", at, _DROP)


def _line_ends(lines: Sequence[str], wanted: Image) -> _Misfit | None:
    found = occurrences(lines, wanted.before, lambda line: line.rstrip("\r"))
    at = nearest(found, wanted.expected)
    if at is None or not any("\r" in line for line in (*wanted.before, *lines)):
        return None
    hint = "make the line ends of the patch those of the file: unix2dos or dos2unix"
    return _Misfit("only the line ends differ, CRLF and LF", at, hint)


def _white_space(lines: Sequence[str], wanted: Image) -> _Misfit | None:
    at = nearest(
        occurrences(lines, wanted.before, lambda line: " ".join(line.split())), wanted.expected
    )
    if at is None or list(wanted.before) == list(lines[at : at + len(wanted.before)]):
        return None
    hint = "get the patch as it was sent: mail programs and web archives change white space"
    return _Misfit("only white space differs", at, hint)


def _elsewhere(lines: Sequence[str], wanted: Image) -> _Misfit | None:
    at = nearest(occurrences(lines, wanted.before), wanted.expected)
    if at is None:
        return None
    edge = "start" if wanted.at_start and at > 0 else "end"
    reason = f"its lines are not at the {edge} of the file, as a hunk without context there wants"
    return _Misfit(reason, at)


def _fuzz(lines: Sequence[str], wanted: Image) -> _Misfit | None:
    for fuzz in range(1, _MAX_FUZZ + 1):
        at = nearest(occurrences(lines, wanted.fuzzy(fuzz)), wanted.expected)
        if at is not None:
            first = max(at - min(fuzz, wanted.leading), 0)
            return _Misfit(f"it would need fuzz {fuzz}, which the lab never applies", first)
    return None
