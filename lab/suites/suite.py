# SPDX-License-Identifier: GPL-2.0-only
"""What a suite is: how programs of one kind are built, run in a guest, and understood.

A table ``[suites.X]`` names programs, and the kind that they are of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lab.errors import LabError
from lab.process.seal import file_digest, files_below
from lab.suites.judge import Ended, Judged
from lab.suites.ktap import Report
from lab.userland.userland import Userland

if TYPE_CHECKING:
    from lab.build import Build


@dataclass(frozen=True)
class BuiltPrograms:
    """What goes into a guest, as far as it could be built.

    Attributes:
        files: By the name that each has in the guest's ``/lab``, a program's is its own, or by a
            whole path there; a folder stands for all that is in it.
        failed: Programs that are not among them, and why; an error of the user's most likely.
        userland: The root filesystem that some of them run in.
        for_image: Archives of what belongs into that, beside its packages.
    """

    files: Mapping[str, Path]
    failed: Mapping[str, LabError]
    userland: Userland | None = None
    for_image: tuple[Path, ...] = ()

    def digests(self) -> tuple[tuple[str, str], ...]:
        """(name, digest) pairs of all files."""
        files = ((name, program_digest(path)) for name, path in self.files.items())
        root = self.userland
        return (*files, *(() if root is None else [(f"image {root.name}", root.digest[:24])]))


@dataclass(frozen=True)
class ProgramResult:
    """What a program's run is worth.

    Attributes:
        judged: Its tests' results; none only where tests were picked, and not of it.
        report: What it planned and told, where it does that: what is missing runs again.
    """

    judged: tuple[Judged, ...]
    report: Report = field(default_factory=Report)


class Suite(Protocol):
    """Programs of one kind.  Picklable, and equal to another of its kind and project."""

    @property
    def by_hand(self) -> bool:
        """Whether ``make`` in ``guest-tests/`` builds them, and KTAP or their exit status tells.

        Where it is so ``lab repro`` repeats them; the status counts of a program whose
        command is not ``/lab/PROGRAM FOLDER``.
        """

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Build programs, and none but these, or find them in the cache.

        Raises:
            InfrastructureError: This machine cannot build any.
        """

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """(name, file) pairs of all that they are built from: a run keeps that.

        Raises:
            UserError: One cannot be read.
        """

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """The names of its tests that ``pattern`` picks, before anything boots; None: unknown."""

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """The command in a guest that runs it in ``folder``; none if all its tests are left out.

        Args:
            pattern: Of ``-k``; "" is all its tests.
            test: The only one that is to run, whatever the pattern; "" for no such.
        """

    def listing(self, program: str, folder: str, pattern: str) -> list[str] | None:
        """The command in a guest that names its tests; None: each runs with all others."""

    def listed(self, stdout: str, status: int) -> tuple[str, ...] | None:
        """The names that listing() told, in order; None if it told something else."""

    def judge(
        self,
        program: str,
        output: bytes,
        status: int | None,
        *,
        ended: Ended,
        detail: str,
        selected: bool,
    ) -> ProgramResult:
        """Judge a program by what it printed, and by how it ended.

        Args:
            status: Its exit status; None when nobody knows it.
            ended: How it came to its end; lab.suites.judge.bad_end() says what is no end.
            detail: What the lab knows of that: the deadline that passed, the panic.
            selected: Tests were picked, so it may have none of them.
        """


@runtime_checkable
class OneByOne(Protocol):
    """A suite whose tests are known before anything boots, and each run by itself."""

    def tests_on(self, type: str, program: str, built: Path, pattern: str) -> Sequence[str]:
        """The names of a program's tests on a filesystem of a type that a pattern picks, in order.

        Args:
            built: The program, as build() gave it.
        """


@runtime_checkable
class Leaves(Protocol):
    """A suite whose tests leave files in their guest that say why they failed."""

    def left_by(self, test: str) -> Sequence[str]:
        """Where they are, if there are any."""


@runtime_checkable
class InShell(Protocol):
    """A suite whose programs a shell that runs already can start as command() says."""

    def shell(self, program: str, folder: str, pattern: str, test: str) -> str:
        """Shell code that ends as the program does; "" where the pattern picks nothing of it."""


@runtime_checkable
class OfTree(Protocol):
    """A suite whose programs are made from the tree under test."""

    def for_build(self, built: Build) -> Suite:
        """The same of a kernel's tree; what runs and judges its programs needs no such."""


def bound(suite: Suite, built: Build | None) -> Suite:
    """A suite of a kernel's tree, where it is made from that."""
    return suite if built is None or not isinstance(suite, OfTree) else suite.for_build(built)


def program_digest(binary: Path) -> str:
    """Names what a program is: 24 hexadecimal digits of the hash of its bytes.

    Sources that differ in a comment make the same program.  Of a folder all files count.
    """
    if not binary.is_dir():
        return file_digest(binary)[:24]
    files = (f"{name}={file_digest(path)}\0" for name, path in files_below(binary))
    return hashlib.sha256("".join(files).encode()).hexdigest()[:24]
