# SPDX-License-Identifier: GPL-2.0-only
"""Names of files and fragments, made from names that a guest may have made up."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from lab.results.folder import slug

_LONGEST = 80


@lru_cache(maxsize=100_000)
def safe_name(name: str) -> str:
    """A name for a file or a fragment: the name itself where that is harmless.

    Names that differ stay different, on a disk that folds case too.
    """
    plain = slug(name)[:_LONGEST]
    if plain == name and not re.search("[A-Z]", name):
        return plain
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}"


def count(number: int, noun: str) -> str:
    """``1 test``, ``2 tests``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
