# SPDX-License-Identifier: GPL-2.0-only
"""What a series says that it goes onto, and whether that was taken in before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab.errors import UserError
from lab.patches.intake.choose import Choice
from lab.patches.origin import ORIGIN, read_origin

#: git format-patch --base, b4 prep, and what QEMU's and other lists write by hand.
_NAMED = re.compile(
    r"^(?:prerequisite-patch-id: (?P<patch>[0-9a-f]{40})"
    r"|(?:prerequisite-message-id|based-on|depends-on): "
    r"<?(?P<mail>[^\s<>]{1,300}@[^\s<>]{1,100})>?)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)


def beneath(choice: Choice, patches: Path) -> Iterator[str]:
    """A note for each series, or patch, that the choice goes onto.

    Args:
        patches: The folder of series: what is in none of them is named.
    """
    letters = [*([choice.cover] if choice.cover else []), *choice.patches]
    named = dict.fromkeys(
        match["patch"] or match["mail"]
        for letter in letters
        for match in _NAMED.finditer(letter.whole)
    )
    if not named:
        return
    known = _known(patches)
    own = {letter.identity for letter in letters}
    found = dict.fromkeys(known[name] for name in named if name in known)
    yield from (f"it goes onto {series}: lab verify NAME KERNEL+{series}" for series in found)
    for name in named:
        if name not in known and name not in own:
            yield f"it goes onto what was not taken in yet: {name}"


def _known(patches: Path) -> dict[str, str]:
    """The series by the patch-ids and Message-Ids of their patches."""
    known: dict[str, str] = {}
    for path in sorted(patches.glob(f"*/{ORIGIN}")):
        with suppress(UserError):
            origin = read_origin(path.parent)
            for patch in origin.patches if origin else ():
                known |= dict.fromkeys((patch.patch_id, patch.identity), path.parent.name)
            if origin:
                known[origin.identity] = path.parent.name
    known.pop("", None)
    return known
