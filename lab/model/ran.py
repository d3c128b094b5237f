# SPDX-License-Identifier: GPL-2.0-only
"""What ran in a guest, by its names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Ran(NamedTuple):
    """A program of a suite on a filesystem; ``test`` where it was to run one alone."""

    filesystem: str
    suite: str
    program: str
    test: str = ""

    @property
    def unit(self) -> str:
        """``FILESYSTEM/SUITE.PROGRAM``, and the test: how people read it."""
        names = ".".join(filter(None, (self.suite, self.program, self.test)))
        return f"{self.filesystem}/{names}"


def ran_of(unit: str, known: Iterable[tuple[str, str]] = ()) -> Ran:
    """What a unit is that an older lab recorded, which kept its text alone.

    Args:
        known: (suite, program) pairs that it may be of: a suite's name may have dots in it.
    """
    filesystem, _, name = unit.partition("/")
    pairs = sorted(known, key=lambda pair: -len(pair[0]))
    for suite, program in pairs:
        if f"{name}.".startswith(f"{suite}.{program}."):
            return Ran(filesystem, suite, program, name[len(suite) + len(program) + 2 :])
    suite, program, test, *_ = (*name.split(".", 2), "", "")
    return Ran(filesystem, suite, program, test)
