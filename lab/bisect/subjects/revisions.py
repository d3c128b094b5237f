# SPDX-License-Identifier: GPL-2.0-only
"""The revisions of a series that are kept in ``patches/``: v1, v2, v3."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from lab.bisect.subjects.variants import Variants
from lab.errors import UserError
from lab.model.variant import Variant
from lab.patches.origin import Origin, read_origin
from lab.session import Lab

_SUFFIX = re.compile(r"(.+)-v(\d+(?:\.\d+)?)")
_Revision = tuple[int, ...]


def revisions_of(lab: Lab, kernel: Variant, old: str, new: str) -> Variants:
    """The revisions of a series from one to another, each on the same kernel.

    Args:
        old, new: Names of series: ``dax-fix`` and ``dax-fix-v5``.

    Raises:
        UserError: One is no series, they are of two, or the wrong way round.
    """
    for name in (old, new):
        lab.loaded.require("series", name)
    if not _is_of(lab.patches, old, new):
        what = f"{old} and {new} are not revisions of one series"
        raise UserError(what, where=lab.patches, hint="their titles, or names but for -v2, differ")
    ends = (_number(lab.patches, old), _number(lab.patches, new))
    if ends[0] >= ends[1]:
        what = f"{new} is no later revision than {old}"
        hint = "the older one first; where it fails it is --old"
        raise UserError(what, where=lab.patches, hint=hint)
    between = {
        name: number
        for name in (path.parent.name for path in lab.patches.glob("*/series"))
        if ends[0] < (number := _number(lab.patches, name)) < ends[1]
        and _is_of(lab.patches, name, new)
    }
    names = (old, *sorted(between, key=lambda name: (between[name], name)), new)
    for name in names:
        lab = lab.with_series(name)
    variants = tuple(Variant(kernel, (name,)) for name in names)
    titles = tuple(_title(lab.patches, name) for name in names)
    return Variants(lab, "revision", f"revisions {old} to {new} on {kernel}", variants, titles)


def _number(patches: Path, name: str) -> _Revision:
    """Which one it is: as its mail said, else as its name ends."""
    origin = _origin(patches, name)
    match = _SUFFIX.fullmatch(name)
    text = (origin.revision if origin else "") or (match[2] if match else "1")
    with suppress(ValueError):
        return tuple(map(int, text.split(".")))
    return (1,)


def _is_of(patches: Path, name: str, other: str) -> bool:
    """Whether two are revisions of one: by b4's change-id, the title, or the name."""
    one, two = _origin(patches, name), _origin(patches, other)
    if one is not None and two is not None:
        if one.change_id and two.change_id:
            return one.change_id == two.change_id
        if one.subject and one.subject.casefold() == two.subject.casefold():
            return True
    return _SUFFIX.sub(r"\1", name) == _SUFFIX.sub(r"\1", other)


def _title(patches: Path, name: str) -> str:
    origin = _origin(patches, name)
    return origin.subject if origin else ""


def _origin(patches: Path, name: str) -> Origin | None:
    with suppress(UserError):
        return read_origin(patches / name)
    return None
