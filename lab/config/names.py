# SPDX-License-Identifier: GPL-2.0-only
"""The one door for names that lead into ``lab.toml``, whoever gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Literal

from lab.config.model import LabConfig
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
            own = _own_program(name, known) if noun == "suite" and _is_file(name) else ""
            yield replace(problem, hint=own) if own else problem


def _is_file(name: str) -> bool:
    return "/" in name or name.endswith(".c")


def _own_program(name: str, known: Iterable[str]) -> str:
    """What to do for a suite of whose program somebody gives the file."""
    program = PurePath(name).stem
    if program in known:
        return program
    return f"write guest-tests/{program}.c and name it without folder and .c: {program}"
