# SPDX-License-Identifier: GPL-2.0-only
"""The selftests of the tree under test, as that tree builds them: static, for its own headers.

Documentation/dev-tools/kselftest.rst.  Those of memory are in ``mm`` since 6.2 (baa489fabd01),
and before that in ``vm``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.arch import ARCH
from lab.build.build import Build, BuildJob
from lab.errors import LabError, UserError
from lab.suites.asked import Asked
from lab.suites.built import found
from lab.suites.by_manner import ByManner
from lab.suites.guest_tools import with_tools
from lab.suites.made import Making, made
from lab.suites.manner import Manner
from lab.suites.program_file import ProgramFile, kept
from lab.suites.suite import BuiltPrograms
from lab.suites.tree_part import TreePart

_SELFTESTS = "tools/testing/selftests"
#: What the headers and a target are made from.
_PARTS = (
    *("Makefile", "Kbuild", "scripts/", "include/", f"arch/{ARCH.source}/", "usr/include/"),
    *("mm/gup_test.h", "tools/include/", "tools/arch/", "tools/scripts/", "tools/build/"),
    f"{_SELFTESTS}/",
)
#: What a target was called before.
_BEFORE = {"mm": "vm"}
_JOBS = '-j"$(nproc)"'
#: In place of a program that a tree has not, or has no more: KSFT_SKIP is 4 (kselftest.h).
_SKIP = "#!/bin/sh\necho TAP version 13\necho '1..0 # SKIP this tree has no {}'\nexit 4\n"


@dataclass(frozen=True)
class Kselftest(ByManner):
    """Programs of a target, each judged by its report or its exit status.

    Attributes:
        job: The build whose tree is under test, once that is known.
    """

    target: str = "mm"
    deadline_s: float = 0.0
    job: BuildJob | None = field(default=None, compare=False, repr=False)

    @property
    def by_hand(self) -> bool:
        """A script would need the whole tree."""
        return False

    def for_build(self, built: Build) -> Kselftest:
        """The same of a kernel's own tree."""
        return Kselftest(self.root, self.manner, self.target, self.deadline_s, built.job)

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """All of the target, once for the part of the tree that it is made from."""
        if self.job is None:
            # Which tree it is nobody has said yet.
            return BuiltPrograms({}, {})
        part = TreePart(self.job, _PARTS)
        try:
            folder = made(self._making(part, self.job), part.fill, cache)
        except LabError as error:
            return BuiltPrograms({}, dict.fromkeys(programs, error))
        return with_tools(self._made(folder, programs, part, cache), programs, self.manner.tools)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """The tree's, which the run names."""
        return iter(())

    def _made(
        self, folder: Path, programs: Sequence[str], part: TreePart, cache: Path
    ) -> BuiltPrograms:
        built = found(folder, programs)
        absent = [name for name in built.failed if not _has(part, self.target, name)]
        skips = {name: _skip(name, cache) for name in absent}
        failed = {name: why for name, why in built.failed.items() if name not in absent}
        return BuiltPrograms({**built.files, **skips}, failed)

    def _making(self, part: TreePart, job: BuildJob) -> Making:
        target = _called(part, self.target)
        # -k: what needs a library that is not here is told when somebody asks for it.
        make = f"make -k {_JOBS} -C {_SELFTESTS}/{target} OUTPUT=$PWD/made LDFLAGS=-static"
        headers = "'KHDR_INCLUDES=-isystem '$PWD/usr/include EXTRA_CFLAGS=-static"
        return Making(
            f"{_SELFTESTS}/{target}",
            part.identity,
            (
                f"make {_JOBS} ARCH={ARCH.source} headers",
                f"mkdir made; {make} {headers} || :",
            ),
            ("made/*",),
            self.deadline_s,
            job.sandbox,
        )


def kselftest(asked: Asked) -> Kselftest:
    """The suite of a table."""
    section = asked.section
    return Kselftest(asked.root, Manner.of(section), section.target, asked.deadline_s)


def _called(part: TreePart, target: str) -> str:
    """The folder of a target in this tree."""
    for name in (target, _BEFORE.get(target, target)):
        if part.has(f"{_SELFTESTS}/{name}/Makefile"):
            return name
    raise UserError(
        f"{part.job.variant} has no selftests {target!r}",
        where=part.job.tree.path / _SELFTESTS,
        hint="target in the suite's table of lab.toml",
    )


def _has(part: TreePart, target: str, program: str) -> bool:
    """Whether a tree speaks of a program: what it has and did not build is an error."""
    folder = f"{_SELFTESTS}/{_called(part, target)}"
    # Of one source, for 32 and 64 bits: protection_keys_64.
    program = re.sub(r"_(32|64)$", "", program)
    if part.has(f"{folder}/{program}") or part.has(f"{folder}/{program}.c"):
        return True
    makefile = part.text(f"{folder}/Makefile")
    return bool(re.search(rf"(?<![\w-]){re.escape(program)}(?![\w-])", makefile))


def _skip(program: str, cache: Path) -> Path:
    return kept(ProgramFile(Path(program), _SKIP.format(program).encode(), ()), cache)
