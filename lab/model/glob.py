# SPDX-License-Identifier: GPL-2.0-only
"""Globs over names that others made up."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches(name: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs matches the name, or is that name letter by letter.

    A test may be called ``mmap[4k]``, and as a glob that is ``mmap4`` and ``mmapk``.
    """
    # Not fnmatch(): it folds case on some systems, and a verdict must not depend on that.
    return any(name == glob or fnmatchcase(name, glob) for glob in globs)


def is_picked(name: str, pattern: str) -> bool:
    """Whether ``-k PATTERN`` picks a test: by a glob, a name, or a part of one."""
    return not pattern or pattern in name or matches(name, (pattern,))
