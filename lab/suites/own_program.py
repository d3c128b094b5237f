# SPDX-License-Identifier: GPL-2.0-only
"""Which kind a program of ``guest-tests/`` is of: its file says, where its table does not."""

from __future__ import annotations

from pathlib import Path

from lab.config.model import Suite as Section
from lab.suites.c_by_manner import CByManner
from lab.suites.c_programs import CPrograms
from lab.suites.manner import DEFAULT, Manner
from lab.suites.scripts import Scripts
from lab.suites.suite import Suite


def suite_of_own(root: Path, section: Section, program: str) -> Suite:
    """``NAME.c`` is compiled, ``NAME`` itself is run; a program of C alone prints KTAP.

    Where its table says how it is run, so is one in C.
    """
    manner = Manner.of(section)
    if not (root / "guest-tests" / f"{program}.c").is_file():
        return Scripts(root, manner)
    return CPrograms(root) if manner == DEFAULT else CByManner(root, manner)
