# SPDX-License-Identifier: GPL-2.0-only
"""Which kind a program of ``guest-tests/`` is of: its file says, where its table does not."""

from __future__ import annotations

from lab.suites.asked import Asked
from lab.suites.c_by_manner import CByManner
from lab.suites.c_programs import CPrograms
from lab.suites.manner import DEFAULT, Manner
from lab.suites.scripts import Scripts
from lab.suites.suite import Suite


def suite_of_own(asked: Asked) -> Suite:
    """``NAME.c`` is compiled, ``NAME`` itself is run; a program of C alone prints KTAP.

    Where its table says how it is run, so is one in C.
    """
    root, manner = asked.root, Manner.of(asked.section)
    if not (root / "guest-tests" / f"{asked.program}.c").is_file():
        return Scripts(root, manner)
    return CPrograms(root) if manner == DEFAULT else CByManner(root, manner)
