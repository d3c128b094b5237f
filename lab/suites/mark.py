# SPDX-License-Identifier: GPL-2.0-only
"""Lines the lab leaves in a guest's kernel log: which program ran from there on."""

from __future__ import annotations

import re

_MARK = re.compile(r"(?:^|\] )lab: run (\S+) (\S+)/(\S+)\s*$")


def program_mark(filesystem: str, suite: str, program: str) -> str:
    """The line that goes before a program's own: ``lab: run ext4-dax mlock/mlock``."""
    return f"lab: run {filesystem} {suite}/{program}"


def read_mark(line: str) -> tuple[str, str, str] | None:
    """Filesystem, suite and program of a mark in a log's line; None for any other line."""
    match = _MARK.search(line)
    return (match[1], match[2], match[3]) if match else None
