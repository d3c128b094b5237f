# SPDX-License-Identifier: GPL-2.0-only
"""The names of tests, asked of their suites before anything boots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.errors import UserError
from lab.model.spelling import partly_like
from lab.suites.suite import Suite

_FEW = 5


def refuse_pattern(
    pattern: str, programs: Iterable[tuple[Suite, str]], files: Mapping[str, Path]
) -> None:
    """Raise UserError when no program has a test of such a name.

    A program that cannot be asked may have one.

    Args:
        programs: Each with its suite.
        files: Those that could be built, by name.
    """
    known: list[str] = []
    for suite, name in programs:
        built = files.get(name)
        picked = suite.tests(name, built, pattern)
        all_of_it = suite.tests(name, built) if picked is not None and not picked else None
        if all_of_it is None:
            return
        known += all_of_it
    raise UserError(
        f"no test has a name like {pattern!r}",
        where="-k",
        hint=_hint(pattern, known),
    )


def _hint(pattern: str, known: Iterable[str]) -> str:
    wanted = re.sub(r"[*?\[\]]+", "", pattern)
    near = ", ".join(partly_like(wanted, known, _FEW))
    return "; ".join(filter(None, (near, "`lab show -v` lists all names")))
