# SPDX-License-Identifier: GPL-2.0-only
"""The compiler and linker a build is made with, and what of them names it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lab.errors import UserError
from lab.process import run
from lab.process.which import find_tool


@dataclass(frozen=True)
class Toolchain:
    """A compiler as ``make CC=`` takes it, with the versions that identify it."""

    cc: str
    compiler: str
    linker: str
    jobs: int

    @property
    def identity(self) -> str:
        """What goes into a build's key: another version is another build."""
        return f"{self.cc}\n{self.compiler}\n{self.linker}"

    @property
    def make_arguments(self) -> tuple[str, ...]:
        """Arguments for ``make``: the compiler and the number of jobs."""
        return (f"CC={self.cc}", f"-j{self.jobs}")

    @staticmethod
    def probe(cc: str, jobs: int = 0) -> Toolchain:
        """Ask the compiler and ``ld`` for their versions; ``jobs`` 0 is one a CPU.

        Raises:
            UserError: The compiler is not on this machine.
        """
        if find_tool(cc) is None:
            raise UserError(
                f"the compiler {cc!r} is not on this machine",
                where="lab.toml: toolchain.cc",
                hint=f"sudo apt-get install {cc}",
            )
        return Toolchain(
            cc,
            _first_line(cc),
            _first_line("ld"),
            jobs or len(os.sched_getaffinity(0)),
        )


def _first_line(command: str) -> str:
    return run([command, "--version"]).stdout.splitlines()[0].strip()
