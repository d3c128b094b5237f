# SPDX-License-Identifier: GPL-2.0-only
"""All the mutants of a series on one kernel, in an order that is always the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lab.mutants.change import Change
from lab.mutants.code import Code
from lab.mutants.edit import Edit, Editor
from lab.mutants.mutant import Kind, Mutant

_C = (".c", ".h")
_LONGEST = 1000


@dataclass(frozen=True)
class Mutants:
    """The mutants that are to be tried.

    Attributes:
        of: How many there are in all.
        left_out: (file, why) pairs of what was not mutated.
    """

    chosen: tuple[Mutant, ...]
    of: int
    left_out: tuple[tuple[str, str], ...] = ()


def generate(changes: Mapping[str, Change | None], most: int = 0) -> Mutants:
    """The mutants of what a series changed.

    Args:
        changes: For each file that it touches what it did there; None where it removed it.
        most: How many are chosen, spread over all; 0 is no limit.
    """
    found: list[Mutant] = []
    left_out: list[tuple[str, str]] = []
    for file, change in sorted(changes.items()):
        made, why = _of_file(file, change)
        found += made
        left_out += [(file, why)] if why else []
    return Mutants(tuple(_spread(found, most)), len(found), tuple(left_out))


def mutants_of(file: str, change: Change) -> Iterator[Mutant]:
    """The mutants of one file of C, each content once."""
    seen = {change.patched}
    for mutant in (*_hunks(file, change), *_edits(file, change)):
        if mutant.content not in seen:
            seen.add(mutant.content)
            yield mutant


def _of_file(file: str, change: Change | None) -> tuple[list[Mutant], str]:
    if change is None:
        return [], "removed"
    if not file.endswith(_C):
        return [], "not C"
    made = list(mutants_of(file, change))
    return made, "" if made else "no code that can be mutated"


def _spread(found: list[Mutant], most: int) -> Iterator[Mutant]:
    if not 0 < most < len(found):
        yield from found
        return
    yield from (found[number * len(found) // most] for number in range(most))


def _hunks(file: str, change: Change) -> Iterator[Mutant]:
    for hunk in change.hunks:
        said = f"the hunk of {hunk.end - hunk.start} lines that begins here"
        content = change.without(hunk)
        yield Mutant(file, hunk.start + 1, Kind.HUNK, said, "", content, change.patched)


def _edits(file: str, change: Change) -> Iterator[Mutant]:
    for edit in Editor(Code(change.patched, change.rows)).edits():
        yield _edited(file, change.patched, edit)


def _edited(file: str, text: bytes, edit: Edit) -> Mutant:
    content = b"".join((text[: edit.start], edit.after, text[edit.end :]))
    before, after = text[edit.start : edit.end], edit.after
    if edit.kind is Kind.STATEMENT or edit.dropped:
        before, after = edit.dropped or before, b""
    elif len(before) < 3 or edit.kind is Kind.NEGATION:
        # An operator alone says nothing.
        before, after = (_line(each, edit.start) for each in (text, content))
    line = text.count(b"\n", 0, edit.start) + 1
    return Mutant(file, line, edit.kind, _plain(before), _plain(after), content, text)


def _line(text: bytes, at: int) -> bytes:
    end = text.find(b"\n", at)
    return text[text.rfind(b"\n", 0, at) + 1 : end if end >= 0 else None]


def _plain(code: bytes) -> str:
    words: Iterable[str] = code.decode(errors="replace").split()
    return " ".join(words)[:_LONGEST]
