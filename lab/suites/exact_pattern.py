# SPDX-License-Identifier: GPL-2.0-only
"""A test's name as a pattern for ``-k``."""

from __future__ import annotations

import re

_ESCAPE = "\\"
_SPECIAL = re.compile(r"[*?\[\\]")
_PLAIN = re.compile(r"[A-Za-z0-9]")


def escaped(test: str) -> str:
    """A pattern that this name matches: the name itself where nothing in it is special."""
    # fnmatch(3) takes a backslash in a set for an escape, Python's for itself.
    return _SPECIAL.sub(lambda special: f"[{special[0].replace(_ESCAPE, _ESCAPE * 2)}]", test)


def only(test: str) -> str:
    """A glob that is this name and no other.

    What has no glob character a guest program takes for a part of names: then a letter is
    made a set of itself.  A name without any such letter stays a part of names.
    """
    pattern = escaped(test)
    if pattern == test:
        pattern = _PLAIN.sub(lambda letter: f"[{letter[0]}]", test, count=1)
    return pattern
