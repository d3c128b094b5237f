# SPDX-License-Identifier: GPL-2.0-only
"""What a program printed, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from lab.text import without_escapes

_LONGEST = 200
#: A program that prints more has lost its way; all of it stays in its file.
MOST_READ = 8 << 20


def shown(output: bytes) -> Iterator[str]:
    """Lines that say something, each cut where nobody reads on."""
    for line in output.decode(errors="replace").splitlines():
        if clean := without_escapes(line).strip():
            yield clean[:_LONGEST]
