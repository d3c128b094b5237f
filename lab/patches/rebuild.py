# SPDX-License-Identifier: GPL-2.0-only
"""A patch rebuilt from what a web archive left of it, and the proof that it is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lab.errors import Location
from lab.patches.alignment import Alignment, alignments, places, squeezed
from lab.patches.candidates import Candidate, Source, candidates
from lab.patches.check import IndexLine
from lab.patches.damaged import CannotRebuild, DamagedFile, DamagedHunk, read_damaged
from lab.patches.layout import Layout, layouts
from lab.patches.patched_tree import View
from lab.patches.rewriting import Guess, guesses, written
from lab.process.deadline import Deadline
from lab.trees import blob_digest

#: Files that are tried before the search is given up, and seconds of a text's search.
MOST_TRIED = 50_000
LONGEST_S = 20.0
#: A file that is proved is another than its author's in one of so many cases at most.
_ODDS = 1000
_LARGEST = 4 << 20


class Result(StrEnum):
    """What is known of a rebuilt file."""

    PROVED = "proved"
    REBUILT = "rebuilt, not proved"


@dataclass(frozen=True)
class RebuiltFile:
    """A file of the patch, ``blob`` being what the patch makes of it.

    ``why`` says what keeps it from being proved; ``tried`` is how many files were compared.
    """

    name: str
    result: Result
    blob: str
    tried: int
    guesses: tuple[Guess, ...]
    diff: bytes = field(repr=False)
    why: str = ""


@dataclass(frozen=True)
class Rebuilt:
    """A patch, whole; proved when every file of it is."""

    files: tuple[RebuiltFile, ...]

    @property
    def result(self) -> Result:
        """The worst of its files' results."""
        proved = all(file.result is Result.PROVED for file in self.files)
        return Result.PROVED if proved else Result.REBUILT

    @property
    def diff(self) -> bytes:
        """The patch, as git diff would write it."""
        return b"".join(file.diff for file in self.files)


def rebuild(
    path: Path, view: View, content: bytes | None = None, *, seconds: float = LONGEST_S
) -> Rebuilt:
    """Rebuild the diff in the text ``path`` with the files of a tree.

    Args:
        content: The text, where it is not what the file ``path`` holds.
        seconds: How long all of its files are searched for, together.

    Raises:
        CannotRebuild: A line is not where its hunk says, or the text holds no diff.
        InfrastructureError: The tree is not what its manifest says.
    """
    files = read_damaged(path, content)
    deadline = Deadline("rebuild", seconds)
    contents = [_content(path, file, view) for file in files]
    rebuilt = [
        _rebuilt(path, file, content, deadline)
        for file, content in zip(files, contents, strict=True)
    ]
    return Rebuilt(tuple(rebuilt))


def _content(path: Path, file: DamagedFile, view: View) -> bytes:
    found = view.read(file.name)
    where = Location(path, file.number)
    if found is None:
        raise CannotRebuild(f"the tree has no {file.name}", where=where)
    if len(found.content) > _LARGEST:
        raise CannotRebuild(f"{file.name} has more than {_LARGEST >> 20} MiB", where=where)
    return found.content


def _rebuilt(path: Path, file: DamagedFile, content: bytes, deadline: Deadline) -> RebuiltFile:
    source = Source(file.name, content)
    index = file.index
    if index is not None and not blob_digest(content).startswith(index.before):
        index = None
    doubts: list[Guess] = []
    ways = [*_ways(path, file, source, doubts, deadline, exact=index is not None)]
    proved, first, tried = _search(source, ways, index, deadline)
    found = proved or first
    return RebuiltFile(
        name=file.name,
        result=Result.PROVED if proved else Result.REBUILT,
        blob=blob_digest(found.content),
        tried=tried,
        guesses=(*doubts, *guesses(found)),
        diff=written(file, source, found, proved=proved is not None),
        why="" if proved else _why(file, content, tried, exact=index is not None),
    )


def _search(
    source: Source, ways: Sequence[Sequence[Layout]], index: IndexLine | None, deadline: Deadline
) -> tuple[Candidate | None, Candidate, int]:
    """The candidate that is the author's file, or None; the likeliest; how many were tried."""
    found = candidates(source, ways)
    first = candidate = next(found)
    most = _most_tried(index) if index is not None else 0
    for tried in range(1, most + 1):
        if index is not None and blob_digest(candidate.content).startswith(index.after):
            return candidate, first, tried
        following = next(found, None) if tried < most and not deadline.passed else None
        if following is None:
            return None, first, tried
        candidate = following
    return None, first, 0


def _most_tried(index: IndexLine) -> int:
    """How many files may be tried: with few digits, one of many is right by chance."""
    return min(MOST_TRIED, (1 << 4 * len(index.after)) // _ODDS)


def _why(file: DamagedFile, content: bytes, tried: int, *, exact: bool) -> str:
    if file.index is None:
        return "the text has no index line for it, so nothing can prove it"
    if not exact:
        has = blob_digest(content)[: len(file.index.before)]
        return f"the patch was made from blob {file.index.before}, and the tree has {has}"
    return f"none of {tried} candidates is blob {file.index.after}"


def _ways(
    path: Path,
    file: DamagedFile,
    source: Source,
    doubts: list[Guess],
    deadline: Deadline,
    *,
    exact: bool,
) -> Iterator[list[Layout]]:
    """For each hunk, its layouts, all of them at one place of the file."""
    drift, end = 0, 0
    for hunk in file.hunks:
        where = Location(path, hunk.number)
        if hunk.before == 0:
            raise CannotRebuild("the hunk has no line that tells where it belongs", where=where)
        if deadline.passed:
            raise CannotRebuild("no time is left for this hunk", where=where)
        expected = max(hunk.start - 1, 0)
        spots = [expected] if exact else places(hunk, source.lines, expected + drift)
        found, others = _placed(hunk, source, [at for at in spots if at >= end], deadline)
        possible = layouts(hunk, found)
        if not possible:
            raise _no_place(path, file, hunk, source, found, exact=exact)
        if others:
            at = ", ".join(str(other + 1) for other in others)
            doubts.append(Guess(hunk.number, f"the hunk could as well be at line {at}"))
        drift, end = possible[0].at - expected, possible[0].at + hunk.before
        yield possible


def _placed(
    hunk: DamagedHunk, source: Source, spots: Sequence[int], deadline: Deadline
) -> tuple[list[Alignment], list[int]]:
    """The alignments at the place that has the cheapest, and other places that are as good."""
    best: list[Alignment] = []
    others: list[int] = []
    for at in spots:
        found = alignments(hunk, source.lines, at)
        if found and (not best or found[0].cost < best[0].cost):
            best, others = found, []
        elif found and found[0].cost == best[0].cost:
            others.append(at)
        if deadline.passed:
            break
    return best, others


def _no_place(
    path: Path,
    file: DamagedFile,
    hunk: DamagedHunk,
    source: Source,
    found: Sequence[Alignment],
    *,
    exact: bool,
) -> CannotRebuild:
    if found:
        said = f"{found[0].blank} added lines of the hunk are missing, too many to guess"
        return CannotRebuild(said, where=Location(path, hunk.number))
    have = {squeezed(line) for line in source.lines}
    absent = next(
        (
            line
            for line in hunk.lines
            if line.sign != "+" and line.text.strip() and squeezed(line.text) not in have
        ),
        None,
    )
    number = absent.number if absent else hunk.number
    place = f"at line {hunk.start} of" if exact else "in"
    said = f"the hunk at line {hunk.number} has no place {place} {file.name}"
    if absent:
        said += f": this line is not there: {absent.text.strip()[:80]}"
    return CannotRebuild(
        said,
        where=Location(path, number),
        hint="rebuild it on the kernel that it was made for",
    )
