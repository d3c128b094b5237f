# SPDX-License-Identifier: GPL-2.0-only
"""A revision of a series beside the one before it that was taken in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lab.errors import LabError, UserError
from lab.patches.intake.choose import Choice
from lab.patches.intake.subject import Revision, spelled
from lab.patches.origin import Origin, kept_folders, read_origin
from lab.patches.range_diff import Step, range_diff, standing
from lab.patches.series import load_series


def with_older(choice: Choice, patches: Path) -> Choice:
    """The choice, beside the newest older revision of it that is kept; it stays kept.

    Args:
        patches: The folder of series.
    """
    found = max(_older(choice, patches), default=None)
    if found is None:
        return choice
    revision, name = found
    with suppress(UserError):
        return _beside(choice, f"{name} ({spelled(revision)})", _kept_steps(patches, name))
    return choice


def _beside(choice: Choice, label: str, old: Sequence[Step]) -> Choice:
    new = [Step(each.subject.title, each.message, each.diff) for each in choice.patches]
    said = [f"{what}: {', '.join(titles)}" for what, titles in standing(old, new).items() if titles]
    notes = [f"compared with {label}, {each}" for each in said]
    compared = None
    try:
        compared = range_diff(old, new)
        if compared is None:
            notes.append("no git range-diff: the patches alone do not give the commits for it")
    except LabError as error:
        # It is only told: what is taken in is none the worse for it.
        notes.append(f"no git range-diff: {error.what}")
    return replace(choice, notes=(*choice.notes, *notes), compared=compared or ())


def _older(choice: Choice, patches: Path) -> Iterator[tuple[Revision, str]]:
    for folder in kept_folders(patches):
        with suppress(UserError, ValueError):
            origin = read_origin(folder)
            if origin is None or not _is_of(origin, choice):
                continue
            revision = tuple(map(int, (origin.revision or "1").split(".")))
            if revision < choice.revision:
                yield revision, folder.name


def _is_of(origin: Origin, choice: Choice) -> bool:
    """Whether they are revisions of one series: by b4's change-id, else by the title."""
    if origin.change_id and choice.change_id:
        return origin.change_id == choice.change_id
    return bool(choice.title) and origin.subject.casefold() == choice.title.casefold()


def _kept_steps(patches: Path, name: str) -> list[Step]:
    return [
        Step(patch.subject or patch.name, patch.message, patch.for_git.lstrip(b"\n"))
        for patch in load_series(patches, name).patches
    ]
