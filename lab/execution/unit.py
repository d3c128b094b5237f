# SPDX-License-Identifier: GPL-2.0-only
"""What runs in a guest at a time: one program of one suite on one filesystem."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lab.execution.remainder import Rest
from lab.filesystems.filesystem import Filesystem
from lab.model.ran import Ran
from lab.results.folder import safe_name
from lab.suites.suite import InShell, Suite


@dataclass(frozen=True)
class Unit:
    """One program of one suite on one filesystem.

    ``suite`` is its name in ``lab.toml``, and ``kind`` what such programs are run and judged
    by.  ``test`` names the only one of its tests that is to run; ``rest`` is what its end left,
    to be run one by one; ``after`` is that end, where a test of that rest runs.
    ``repetition`` counts from 1 in a job that runs it again and again; 0 is in any other.
    ``timeout_s`` is its suite's own deadline, ``output`` how its suite's table says that it
    tells, ``prints`` what it has to print, and ``tools`` are programs of this machine that the
    table brings into its guest.
    """

    filesystem: Filesystem
    suite: str
    program: str
    kind: Suite
    test: str | None = None
    rest: Rest | None = None
    after: str = ""
    repetition: int = 0
    timeout_s: float | None = None
    output: str = ""
    prints: str = ""
    tools: tuple[str, ...] = ()

    def deadline(self, program_s: float) -> tuple[float, str]:
        """Seconds that it may run, and the key of ``lab.toml`` that says so.

        Args:
            program_s: ``deadlines.program``.
        """
        if self.timeout_s is None:
            return program_s, "deadlines.program"
        return self.timeout_s, f"suites.{self.suite}.timeout"

    def stretched(self, factor: float) -> Unit:
        """The same for a host that is ``factor`` times as busy."""
        if self.timeout_s is None:
            return self
        return replace(self, timeout_s=self.timeout_s * factor)

    @property
    def ran(self) -> Ran:
        """Its names, as a record has them."""
        return Ran(self.filesystem.name, self.suite, self.program, self.test or "")

    @property
    def of(self) -> str:
        """The program, with its suite."""
        return f"{self.suite}.{self.program}"

    @property
    def file(self) -> str:
        """The name of the file with what it printed; no two units have the same."""
        test = "" if self.test is None else f".{safe_name(self.test)}"
        again = f".repetition-{self.repetition}" if self.repetition > 1 else ""
        return f"{self.suite}.{self.program}{test}{again}.ktap"

    def command(self, pattern: str | None) -> list[str]:
        """The program's command line in the guest; ``pattern`` is for ``-k``."""
        folder = self.filesystem.mount_point
        return self.kind.command(self.program, folder, pattern or "", self.test or "")

    def shell(self, pattern: str | None) -> str:
        """The same for a shell; "" where nothing is to be run."""
        if not isinstance(self.kind, InShell):
            return shlex.join(self.command(pattern))
        folder = self.filesystem.mount_point
        return self.kind.shell(self.program, folder, pattern or "", self.test or "")

    def listing(self, pattern: str | None) -> str | None:
        """The shell command that names its tests, if there is one."""
        words = self.kind.listing(self.program, self.filesystem.mount_point, pattern or "")
        return None if words is None else shlex.join(words)

    def singles(self, names: Iterable[str]) -> Iterator[Unit]:
        """A unit for each name; one that comes again is no test more."""
        return (replace(self, test=name) for name in dict.fromkeys(names))

    def unrun_names(self) -> Iterator[str]:
        """What its results are named when nobody runs it."""
        if self.rest is not None:
            return self.rest.names(self.program)
        return iter((self.test or self.program,))

    def remarks(self) -> Iterator[str]:
        """What a result is worth that was had without the tests before it."""
        if self.after:
            yield f"ran alone, and not after the tests before it, since of these: {self.after}"
