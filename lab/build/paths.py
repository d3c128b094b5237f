# SPDX-License-Identifier: GPL-2.0-only
"""Where kbuild and make can build: not every path a folder may have is one they take."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import Location, UserError

# Words of make and of the shell that recipes are run by: a blank or ":" ends a name, "%" is
# a pattern, "$" a variable, "#" a comment, and quotes, ";" and their like are the shell's.
_NOT_TAKEN = re.compile(r"[^\w./+,=@~^-]")


def buildable(cache: Path, where: Location | None = None) -> Path:
    """The folder as kbuild sees it: make resolves O= from its own folder, and so does gcc.

    Raises:
        UserError: There is a character in its path that kbuild cannot take.
    """
    folder = cache.resolve()
    if found := sorted(set(_NOT_TAKEN.findall(str(folder)))):
        named = " ".join(map(repr, found))
        raise UserError(
            f"kbuild cannot build below {str(folder)!r}: its path holds {named}",
            where=where or cache,
            hint="paths.cache in lab.local.toml: a path of letters, digits and ./_-+",
        )
    return folder
