# SPDX-License-Identifier: GPL-2.0-only
"""The names of tests, asked of the programs themselves before anything boots."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.errors import LabError, UserError
from lab.process import run

#: How a program says that it knows -l: others would do here what they are to do in a guest.
_KNOWS = re.compile(r'^\s*#\s*include\s*"ktap\.h"', re.MULTILINE)
_DEADLINE_S = 10
_FEW = 5


def refuse_pattern(pattern: str, sources: Path, binaries: Mapping[str, Path | None]) -> None:
    """Raise UserError when no program has a test of such a name.

    A program that cannot be asked may have one.

    Args:
        sources: The folder of the programs' sources.
        binaries: The programs, by name; None for one that does not compile.
    """
    known: list[str] = []
    for name, binary in binaries.items():
        if binary is None or not _knows(sources / f"{name}.c"):
            return
        try:
            if _listed(binary, "-k", pattern):
                return
            known += _listed(binary)
        except LabError:
            return
    raise UserError(
        f"no test has a name like {pattern!r}",
        where="-k",
        hint=f"{', '.join(_near(pattern, known))}; `lab show -v` lists all names",
    )


def _knows(source: Path) -> bool:
    try:
        return _KNOWS.search(source.read_text(errors="replace")) is not None
    except OSError:
        return False


def _listed(binary: Path, *selection: str) -> list[str]:
    # It makes nothing, and opens no folder, before it has told its names.
    return run([binary, "/", *selection, "-l"], timeout=_DEADLINE_S).stdout.split("\n")[:-1]


def _near(pattern: str, known: Iterable[str]) -> list[str]:
    wanted = re.sub(r"[*?\[\]]+", "", pattern)
    return difflib.get_close_matches(wanted, list(known), n=_FEW, cutoff=0)
