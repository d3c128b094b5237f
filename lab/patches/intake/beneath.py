# SPDX-License-Identifier: GPL-2.0-only
"""What a series says that it goes onto, and which series that were taken in before are that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lab.errors import UserError
from lab.patches.beneath import patch_ids_of
from lab.patches.intake.choose import Choice
from lab.patches.origin import Layer, Origin, kept_folders, read_origin
from lab.patches.series import load_series

#: git format-patch --base, b4 prep, and what QEMU's and other lists write by hand.
_NAMED = re.compile(
    r"^(?:prerequisite-patch-id: (?P<patch>[0-9a-f]{40})"
    r"|(?:prerequisite-message-id|based-on|depends-on): "
    r"<?(?P<mail>[^\s<>]{1,300}@[^\s<>]{1,100})>?)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)


def with_beneath(choice: Choice, patches: Path) -> Choice:
    """The choice with what it goes onto: series, pinned, and the names of what is not here.

    A series is named by a Message-Id of it, or by the patch-ids of all its patches.

    Args:
        patches: The folder of series.
    """
    letters = [*([choice.cover] if choice.cover else []), *choice.patches]
    found = [match for letter in letters for match in _NAMED.finditer(letter.whole)]
    own = {letter.identity for letter in letters}
    named = [name for name in dict.fromkeys(map(_name, found)) if name not in own]
    if not named:
        return choice
    kept = dict(_kept(patches))
    by_name = {name: _series_of(name, named, kept) for name in named}
    series = dict.fromkeys(name for name in by_name.values() if name)
    layers, wanting = _pinned(series, patches)
    missing = tuple(name for name in named if by_name[name] in ("", *wanting))
    notes = (*choice.notes, *wanting.values(), *_notes(layers, missing))
    return replace(choice, beneath=layers, missing=missing, notes=notes)


def _name(match: re.Match[str]) -> str:
    return match["patch"] or match["mail"]


def _notes(layers: Sequence[Layer], missing: Sequence[str]) -> Iterator[str]:
    yield from (
        f"it goes onto {layer.series}, which lab verify lays beneath it" for layer in layers
    )
    yield from (f"it goes onto what was not taken in yet: {name}" for name in missing)


def _kept(patches: Path) -> Iterator[tuple[str, Origin]]:
    for folder in kept_folders(patches):
        with suppress(UserError):
            if origin := read_origin(folder):
                yield folder.name, origin


def _series_of(name: str, named: Sequence[str], kept: dict[str, Origin]) -> str:
    """The largest series that all of this speaks of; a patch of another is no series beneath."""
    found = [
        (len(origin.patches), series)
        for series, origin in kept.items()
        if _has_mail(origin, name) or _is_whole(origin, name, named)
    ]
    return max(found, default=(0, ""))[1]


def _has_mail(origin: Origin, name: str) -> bool:
    return name in (origin.identity, *(patch.identity for patch in origin.patches))


def _is_whole(origin: Origin, name: str, named: Sequence[str]) -> bool:
    ids = {patch.patch_id for patch in origin.patches}
    return name in ids and ids <= set(named)


def _pinned(series: dict[str, None], patches: Path) -> tuple[tuple[Layer, ...], dict[str, str]]:
    """The series with the patch-ids they have now, and why others cannot be had."""
    layers, wanting = [], {}
    for name in series:
        try:
            layers.append(Layer(name, patch_ids_of(load_series(patches, name))))
        except UserError as error:
            wanting[name] = f"it goes onto {name}, which cannot be read: {error.what}"
    return tuple(layers), wanting
