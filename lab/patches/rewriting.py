# SPDX-License-Identifier: GPL-2.0-only
"""A rebuilt file as git diff would write it, and what was guessed of each line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.patches.alignment import Added, Kept
from lab.patches.candidates import Candidate, Line, Source
from lab.patches.damaged import DamagedFile, DamagedLine
from lab.patches.layout import Layout


@dataclass(frozen=True)
class Guess:
    """What was guessed of a line (of the text, from 1)."""

    line: int
    said: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.said}"


def written(file: DamagedFile, source: Source, candidate: Candidate, *, proved: bool) -> bytes:
    """The file's part of the patch.

    Without a proof there is no index line: it would say of this file what holds of another.
    """
    index = file.index if proved else None
    lines = [
        f"diff --git a/{file.name} b/{file.name}",
        *([f"index {index.before}..{index.after}{file.mode}"] if index else []),
        f"--- a/{file.name}",
        f"+++ b/{file.name}",
    ]
    moved = 0
    for layout, hunk in zip(candidate.layouts, candidate.hunks, strict=True):
        lines += [_header(layout, hunk, moved), *_body(source, hunk)]
        moved += sum((line.sign == "+") - (line.sign == "-") for line in hunk)
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _header(layout: Layout, hunk: tuple[Line, ...], moved: int) -> str:
    before = sum(line.sign != "+" for line in hunk)
    after = sum(line.sign != "-" for line in hunk)
    old, new = layout.at + 1, layout.at + 1 + moved - (not after)
    section = [layout.hunk.section, *(given.text.strip() for given in layout.alignment.section)]
    ranges = f"@@ -{_range(old, before)} +{_range(new, after)} @@"
    return f"{ranges} {' '.join(section)}".rstrip()


def _range(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def _body(source: Source, hunk: tuple[Line, ...]) -> Iterator[str]:
    last = len(source.lines) - 1
    ends = source.open and any(
        not isinstance(line.part, Added) and line.part.at == last for line in hunk
    )
    after = max((at for at, line in enumerate(hunk) if line.sign != "-"), default=-1)
    before = max((at for at, line in enumerate(hunk) if line.sign != "+"), default=-1)
    for at, line in enumerate(hunk):
        yield line.sign + line.text
        if ends and at in (after, before):
            yield "\\ No newline at end of file"


def guesses(candidate: Candidate) -> Iterator[Guess]:
    """What was guessed, from the first line of the text to the last."""
    for layout, hunk in zip(candidate.layouts, candidate.hunks, strict=True):
        yield from sorted(_of_hunk(layout, hunk), key=lambda guess: guess.line)


def _of_hunk(layout: Layout, hunk: tuple[Line, ...]) -> Iterator[Guess]:
    number = layout.hunk.number
    if layout.at != max(layout.hunk.start - 1, 0):
        yield Guess(number, f"the hunk is at line {layout.at + 1}, not {layout.hunk.start}")
    for given in layout.alignment.section:
        yield Guess(given.number, "the rest of the hunk's header")
    for given in layout.alignment.dropped:
        yield Guess(given.number, "no part of the patch")
    last = number
    for line in hunk:
        pieces = line.part.given
        last = pieces[-1].number if pieces else last
        if said := _said(line, pieces):
            yield Guess(pieces[0].number if pieces else last, said)


def _said(line: Line, given: tuple[DamagedLine, ...]) -> str:
    if isinstance(line.part, Added):
        return line.said if given else "a blank line was added below it"
    if not given:
        kind = "a line that stays" if isinstance(line.part, Kept) else "a line that goes"
        return f"{kind} was lost below it: {line.text.strip()[:60] or 'a blank one'}"
    return "wrapped lines, joined as the file has them" if len(given) > 1 else ""
