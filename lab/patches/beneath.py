# SPDX-License-Identifier: GPL-2.0-only
"""The series that lie beneath another: what its origin says it goes onto, as it was then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from lab.errors import Location, UserError
from lab.patches.origin import ORIGIN, Layer, Origin, read_origin
from lab.patches.scratch_tree import patch_id
from lab.patches.series import Series, load_series


def patch_ids_of(series: Series) -> tuple[str, ...]:
    """What git patch-id --stable calls each patch; the digest of one that it cannot name."""
    return tuple(patch_id(patch.for_git) or patch.digest for patch in series.patches)


def beneath_of(patches: Path, name: str, origin: Origin | None) -> tuple[str, ...]:
    """The series to lay beneath one, the lowest first: its own, and what these go onto.

    Args:
        patches: The folder of series.
        name: The series' name, for errors.
        origin: Where the series is from, and so what it goes onto.

    Raises:
        UserError: One is gone, or is not what it was when it was pinned.
    """
    return tuple(dict.fromkeys(_beneath(patches, name, origin, (name,))))


def doubt_of(folder: Path) -> str:
    """What keeps a verdict from being one on what the authors sent; nothing as a rule.

    A series is tested with what lies beneath it: a doubt of that is one of the verdict.

    Args:
        folder: The series' own.

    Raises:
        UserError: What its origin says cannot be read.
    """
    patches, origin = folder.parent, read_origin(folder)
    own = origin.doubt if origin else ""
    try:
        beneath = {
            name: read_origin(patches / name) for name in beneath_of(patches, folder.name, origin)
        }
    except UserError as error:
        return "; ".join(filter(None, (own, error.what)))
    said = (f"{name}, beneath it: {of.doubt}" for name, of in beneath.items() if of and of.doubt)
    return "; ".join(filter(None, (own, *said)))


def _beneath(
    patches: Path, name: str, origin: Origin | None, above: Sequence[str]
) -> Iterator[str]:
    for layer in origin.beneath if origin else ():
        where = patches / name / ORIGIN
        if layer.series in above:
            what = f"{layer.series} goes onto itself, by {', '.join(above)}"
            raise UserError(what, where=where, hint="take a [[beneath]] out of one of them")
        _refuse_changed(patches, layer, where)
        deeper = read_origin(patches / layer.series)
        yield from _beneath(patches, layer.series, deeper, (*above, layer.series))
        yield layer.series


def _refuse_changed(patches: Path, layer: Layer, where: Path) -> None:
    series = load_series(patches, layer.series)
    for number, (was, now) in enumerate(
        zip_longest(layer.patch_ids, patch_ids_of(series), fillvalue="no patch"), 1
    ):
        if was != now:
            raise UserError(
                f"{where.parent.name} goes onto {layer.series} as it was: its patch {number} has "
                f"the patch-id {now}, and had {was}",
                where=Location(where),
                hint=f"take {layer.series} in again as it was; or its [[beneath]] out of this file",
            )
