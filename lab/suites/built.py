# SPDX-License-Identifier: GPL-2.0-only
"""Other people's programs: a source, commands that make them in it, and which files they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.build.sandbox import Wanted
from lab.config.model import SuiteSource
from lab.errors import LabError, UserError
from lab.suites.asked import Asked
from lab.suites.by_manner import ByManner
from lab.suites.calls import NONE, Calls
from lab.suites.guest_tools import libraries_of, with_tools
from lab.suites.judge import Ended
from lab.suites.made import Making, made, why_not
from lab.suites.manner import Manner
from lab.suites.missing_command import unless_missing
from lab.suites.suite import BuiltPrograms, ProgramResult
from lab.suites.suite_source import source_tree
from lab.trees.tree import Tree


@dataclass(frozen=True)
class Built(ByManner):
    """Programs of a source, run as their table says."""

    source: SuiteSource | None = None
    commands: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    deadline_s: float = 0.0
    fetch_s: float = 0.0
    sandbox: Wanted = "auto"
    calls: Calls = NONE

    @property
    def by_hand(self) -> bool:
        """A script would need the source."""
        return False

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """All that its commands make, once for the source and what builds it."""
        assert self.source is not None
        try:
            tree = source_tree(self.source, self.root, cache, self.fetch_s)
            folder = made(self._making(tree), lambda work: copy_source(tree.path, work), cache)
        except LabError as error:
            return BuiltPrograms({}, dict.fromkeys(programs, error))
        return with_tools(self._found(folder, programs, cache), programs, self.manner.tools)

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
        """As its kind of output has it, by what it was to print, and if a call's shell found it."""
        found = super().judge(
            program, output, status, ended=ended, detail=detail, selected=selected
        )
        if program in self.calls.names():
            found = unless_missing(found, program, output, detail)
        return self.calls.heed(found, output)

    def _found(self, folder: Path, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Programs, and of calls their scripts and the programs that these run."""
        called = [name for name in programs if name in self.calls.names()]
        plain = found(folder, [name for name in programs if name not in called])
        files, failed = dict(plain.files), dict(plain.failed)
        for name in called:
            try:
                uses = self.calls.uses(name, [path.name for path in folder.iterdir()])
                files |= {name: self.calls.script(name, cache), **found(folder, uses).files}
            except LabError as error:
                failed[name] = error
        return BuiltPrograms(files, failed)

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """None: what other people wrote is named by its identity."""
        return iter(())

    def _making(self, tree: Tree) -> Making:
        return Making(
            tree.kernel, tree.identity, self.commands, self.take, self.deadline_s, self.sandbox
        )


def built_suite(asked: Asked) -> Built:
    """The suite of a table."""
    section = asked.section
    return Built(
        asked.root,
        Manner.of(section),
        section.source,
        section.build,
        section.take,
        asked.deadline_s,
        asked.fetch_s,
        asked.sandbox,
        Calls.of(section),
    )


def found(folder: Path, programs: Iterable[str]) -> BuiltPrograms:
    """Programs of a folder in which they were made, with what they load."""
    files: dict[str, Path] = {}
    failed: dict[str, LabError] = {}
    for program in dict.fromkeys(programs):
        path = folder / program
        try:
            if not path.is_file():
                raise UserError(f"{program} was not built: {why_not(folder, program)}", where=path)
            files |= {program: path, **_loaded(path)}
        except LabError as error:
            failed[program] = error
    return BuiltPrograms(files, failed)


def _loaded(path: Path) -> dict[str, Path]:
    with path.open("rb") as stream:
        return {} if stream.read(2) == b"#!" else libraries_of(path)


def copy_source(source: Path, work: Path) -> None:
    """Copy a source, and not its repository."""
    shutil.copytree(
        source, work, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
    )
