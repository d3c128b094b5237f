# SPDX-License-Identifier: GPL-2.0-only
"""Patches that were damaged on their way, rebuilt with the source that they were made for.

A patch that is whole is never touched: it can be read as a diff, and either goes onto the
source, or is not for it.  One that can be read, and does not give what its index lines name,
may have lost its tabs all the same; then only what those lines prove is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lab.errors import LabError, UserError
from lab.patches.apply import apply_one
from lab.patches.common_mistakes import without_prefix
from lab.patches.damaged import CannotRebuild
from lab.patches.diff import TwoDiffs, parse_diff, split_lines
from lab.patches.intake.choose import Choice
from lab.patches.intake.letter import Letter, Mending
from lab.patches.intake.source import Source
from lab.patches.patch import Patch, load_patch
from lab.patches.patched_tree import View
from lab.patches.rebuild import Rebuilt, Result, rebuild
from lab.process.temporary import temporary_folder

#: Kernels by name, each with what brings its source; None where nobody named one.
Trees = Sequence[tuple[str, Callable[[], View]]] | None
#: What archives leave of HTML and of addresses.
_SCARS = re.compile(rb"&(?:lt|gt|amp|quot|nbsp|#\d{1,5});|@x{3,}")


def whole_choice(choice: Choice, source: Source, trees: Trees) -> Choice:
    """The choice with each patch as it was written, rebuilt where it was damaged.

    Raises:
        UserError: One is damaged, and no tree was given, or none can rebuild it.
    """
    troubles = {id(each): trouble for each in choice.patches if (trouble := _trouble(each))}
    if not trees or not (troubles or any(_is_scarred(each) for each in choice.patches)):
        for letter in choice.patches:
            _refuse_trouble(letter, source)
        return choice
    tried = [_tried(choice, source, name, bring) for name, bring in trees]
    mended = [each for each in tried if isinstance(each, tuple)]
    if not mended and not troubles:
        return choice
    if not mended:
        raise _cannot(next(each for each in tried if isinstance(each, LabError)), troubles)
    patches = max(mended, key=_worth)
    notes = [f"{_begin(each)}{each.mending}" for each in patches if each.mending]
    return replace(choice, patches=patches, notes=(*choice.notes, *notes))


def _worth(letters: Sequence[Letter]) -> tuple[bool, int]:
    """Whether all that was rebuilt is proved, and how much was."""
    mendings = [letter.mending for letter in letters if letter.mending]
    return all(mending.proved for mending in mendings), len(mendings)


def _cannot(error: LabError, troubles: dict[int, str]) -> LabError:
    if isinstance(error, CannotRebuild) and troubles:
        error.detail = f"it was damaged on its way: {next(iter(troubles.values()))}"
    return error


def _refuse_trouble(letter: Letter, source: Source) -> None:
    if letter.trouble:
        where = f"{source.name}: {letter.place}" if letter.place else source.name
        hint = "get the mail again, raw; or name a kernel whose source can mend it"
        raise UserError(f"{_begin(letter)}{letter.trouble}", where=where, hint=hint)


def _begin(letter: Letter) -> str:
    """What an error, or a note, on one patch of several begins with: a bare diff has no title."""
    return f"{letter.title}: " if letter.title else ""


def _trouble(letter: Letter) -> str:
    """What is wrong with the form of a letter's diff; nothing where it can be read."""
    if letter.trouble:
        return letter.trouble
    try:
        parse_diff(Path("diff"), split_lines(letter.diff), 0)
    except TwoDiffs:
        # It is refused where it is read again, with the line.
        return ""
    except UserError as error:
        return error.what
    return ""


def _is_scarred(letter: Letter) -> bool:
    """Whether a diff that can be read looks as if its white space had been eaten."""
    return b"\t" not in letter.diff or _SCARS.search(letter.diff) is not None


def _tried(
    choice: Choice, source: Source, kernel: str, bring: Callable[[], View]
) -> tuple[Letter, ...] | LabError:
    try:
        return tuple(_mended(choice.patches, source, kernel, bring()))
    except LabError as error:
        return error


def _mended(letters: Sequence[Letter], source: Source, kernel: str, view: View) -> Iterator[Letter]:
    """Each patch, tried on what those before it made of the source."""
    with temporary_folder("mending") as folder:
        for letter in letters:
            if trouble := _trouble(letter):
                letter = _rebuilt(letter, source, kernel, view)
                assert letter.mending is not None, trouble
                _lay(view, letter, folder)
            elif not _lay(view, letter, folder) and _is_scarred(letter):
                letter = _proved(letter, source, kernel, view)
                _lay(view, letter, folder)
            yield letter


def _lay(view: View, letter: Letter, folder: Path) -> bool:
    """Apply a patch to the view; whether that went."""
    try:
        apply_one(view, _loaded(letter, folder))
    except UserError:
        return False
    return True


def _loaded(letter: Letter, folder: Path) -> Patch:
    path = folder / "letter.patch"
    path.write_bytes(letter.diff)
    lines = letter.diff.decode(errors="replace").split("\n")
    return load_patch(path, strip=0 if without_prefix(lines) else 1)


def _proved(letter: Letter, source: Source, kernel: str, view: View) -> Letter:
    """The letter rebuilt, if that is proved; as it is otherwise: it may be for another tree."""
    try:
        found = _rebuilt(letter, source, kernel, view)
    except CannotRebuild:
        return letter
    return found if found.mending and found.mending.proved else letter


def _rebuilt(letter: Letter, source: Source, kernel: str, view: View) -> Letter:
    above, place = _above(letter, source)
    try:
        done = rebuild(Path(place), view, b"\n" * above + letter.diff)
    except CannotRebuild as error:
        raise CannotRebuild(
            f"{_begin(letter)}it cannot be rebuilt on {kernel}: {error.what}",
            where=error.where,
            hint=error.hint or "the raw mail: from public-inbox, or whoever sent it",
        ) from None
    return replace(letter, diff=done.diff, trouble="", mending=_mending(done, kernel))


def _mending(done: Rebuilt, kernel: str) -> Mending:
    doubtful = [file for file in done.files if file.result is not Result.PROVED]
    why = "; ".join(f"{file.name}: {file.why}" for file in doubtful)
    guesses = tuple(f"{file.name}: {guess}" for file in done.files for guess in file.guesses)
    return Mending(kernel, why, guesses)


def _above(letter: Letter, source: Source) -> tuple[int, str]:
    """How many lines stand above the diff in a source of one mail, and what to call it."""
    if len(source.mails) == 1 and (at := source.mails[0].find(letter.diff)) >= 0:
        return source.mails[0].count(b"\n", 0, at), source.name
    return 0, f"{source.name}, the diff of {letter.place or 'the mail'}"
