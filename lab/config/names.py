# SPDX-License-Identifier: GPL-2.0-only
"""The one door for names that lead into ``lab.toml``, whoever gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Literal

from lab.config.model import LabConfig, Suite
from lab.model.problem import Problem, unknown

Noun = Literal["kernel", "series", "config", "machine", "filesystem", "suite", "matrix"]

#: The table of ``lab.toml`` that each kind of name leads into.
_TABLES: Mapping[str, str] = {
    "kernel": "kernels",
    "series": "series",
    "config": "configs",
    "machine": "machines",
    "filesystem": "filesystems",
    "suite": "suites",
    "matrix": "matrix",
}


def name_problems(config: LabConfig, noun: Noun, names: Iterable[str]) -> Iterator[Problem]:
    """The names that ``config`` does not define: where they would be, and which are like them."""
    table = _TABLES[noun]
    known: Mapping[str, Any] = getattr(config, table)
    for name in names:
        if name not in known:
            problem = unknown(noun, name, known, (table,))
            own = _of_program(name, known, problem.hint) if noun == "suite" else ""
            yield replace(problem, hint=own) if own else problem


def _of_program(name: str, known: Mapping[str, Suite], like: str) -> str:
    """What to do for a suite of whose program somebody gives the name, or the file.

    Args:
        like: The hint of a name that is no program's.
    """
    program = PurePath(name).name
    if of := [suite for suite, section in known.items() if program in section.programs]:
        return f"{of[0]}, whose table has the program {program}"
    if PurePath(name).suffix not in ("", ".c"):
        return f"guest-tests/{program} with a first line #!, and chmod +x; or {like}"
    if "/" not in name and not name.endswith(".c"):
        return ""
    program = PurePath(name).stem
    if program in known:
        return program
    return f"write guest-tests/{program}.c and name it without folder and .c: {program}"
