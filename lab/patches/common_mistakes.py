# SPDX-License-Identifier: GPL-2.0-only
"""What people put into a series by a slip, known by its form before a tree is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from lab.errors import Location, UserError
from lab.patches.diff import unquoted

#: Of a line: RFC 5322 has 998, and a pattern has to be tried from each place.
_LONGEST = 1000
_COVER = re.compile(r"^Subject:[^\n]*\[[^\]\n]*\b0+/\d+[^\]\n]*\]", re.MULTILINE)
#: git writes unusual names as C strings (core.quotePath of git-config(1)).
_NAME = r'("(?:[^"\\]|\\.)*"|\S+)'
_HEADER = re.compile(rf"diff --git {_NAME} {_NAME}\s*")
_BINARY = re.compile(r"Binary files (.+) and (.+) differ\s*")
#: The top of a kernel tree: what a path without a prefix begins with.
_TOP = re.compile(
    "arch|block|certs|crypto|Documentation|drivers|fs|include|init|io_uring|ipc|kernel|lib|"
    "LICENSES|mm|net|rust|samples|scripts|security|sound|tools|usr|virt"
)


def without_a_diff(path: Path, lines: Sequence[str]) -> UserError:
    """The error for a file without a diff, which is often a cover letter."""
    begin = "".join(line[:_LONGEST] for line in lines)
    if path.name.startswith("0000-") or _COVER.search(begin):
        return UserError(
            "this is a series' cover letter: there is no diff in it",
            where=Location(path),
            hint=f"take the line {path.name} out of the series file",
        )
    return UserError(
        "there is no diff in this patch file",
        where=Location(path),
        hint="make the patch with git format-patch or git diff",
    )


def refuse_slips(path: Path, lines: Sequence[str], start: int, *, strip: int, name: str) -> None:
    """Raise UserError for a diff that git would take for another, or cannot apply at all.

    Args:
        start: Where the diff begins; a line of a hunk never looks as those looked for.
    """
    for number, line in enumerate(lines[start:], start + 1):
        if _is_unprefixed(line, strip):
            # git would make mm/new.c as new.c, and look for Makefile where mm/Makefile is meant.
            raise UserError(
                "the patch has no a/ and b/ before its paths (git diff --no-prefix)",
                where=Location(path, number),
                hint=f"write `{name} -p0` in the series",
            )
        if match := _BINARY.fullmatch(line):
            raise UserError(
                f"the patch says that {match[2]} differs, which is binary, but not how",
                where=Location(path, number),
                hint="make it again with git diff --binary, or git format-patch",
            )


def without_prefix(lines: Sequence[str]) -> bool:
    """Whether a diff names its files without ``a/`` and ``b/``: it is for ``-p0``.

    Args:
        lines: Of the diff, from its first one.
    """
    names = {name for name in _names(lines) if name != "/dev/null"}
    return bool(names) and all(
        not rest or _TOP.fullmatch(first)
        for first, _, rest in (name.partition("/") for name in names)
    )


def _names(lines: Sequence[str]) -> Iterator[str]:
    for line, after in pairwise((*lines, "")):
        if match := _HEADER.fullmatch(line):
            yield from map(unquoted, match.groups())
        elif line.startswith("--- ") and after.startswith("+++ "):
            yield from (unquoted(each[4:].split("\t")[0].strip()) for each in (line, after))


def _is_unprefixed(line: str, strip: int) -> bool:
    match = _HEADER.fullmatch(line) if strip else None
    if match is None or match[1] != match[2]:
        return False
    first, _, rest = unquoted(match[1]).partition("/")
    return bool(rest and _TOP.fullmatch(first))
