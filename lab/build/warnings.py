# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler warns of in some files of a kernel, each compiled anew.

make says nothing of an object that is up to date, and the log of a build in the cache has
what that one happened to compile: only a compilation that is made to be read tells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.build.build import BuildJob, ready_workbench
from lab.build.workbench import Workbench
from lab.process.temporary import temporary_folder

_WARNING = re.compile(r"^(?:In file included from )?(\S+?):(\d+)(?::\d+)?: warning: (.*)$")
_COMPILED = (".c", ".S")
#: Of those that include a header: all of them may be the whole kernel.
_MOST_USERS = 8


@dataclass(frozen=True)
class Warned:
    """A warning of the compiler; ``file`` is relative to the top of the tree."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: warning: {self.text}"


@dataclass(frozen=True)
class Compiled:
    """What came of compiling objects anew.

    Attributes:
        compiled: The objects: of each file its own, and of a header some that use it.
        seen: The files that these tell of; others this config compiles nowhere.
    """

    warned: tuple[Warned, ...] = ()
    compiled: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    def more_than(self, before: Compiled, files: Iterable[str]) -> tuple[Warned, ...]:
        """The warnings in ``files`` that were not there ``before``, wherever their lines are."""
        known = Counter((each.file, each.text) for each in before.warned)
        wanted, found = set(files), []
        for each in self.warned:
            key = (each.file, each.text)
            known[key] -= 1
            if each.file in wanted and known[key] < 0:
                found.append(each)
        return tuple(found)


def compile_anew(job: BuildJob, files: Iterable[str]) -> Compiled:
    """Compile what ``files`` of a variant become, on its workbench, and read what is said.

    Args:
        files: Relative to the top of the tree; those that are not there count for nothing.

    Raises:
        UserError: One does not compile.
        InfrastructureError: As build() does.
    """
    with temporary_folder("warnings") as folder:
        log = Path(folder) / "log"
        log.touch()
        with ready_workbench(job, log) as (bench, make):
            if not (bench.objects / "vmlinux").exists():
                make(ARCH.image)
            there = [file for file in dict.fromkeys(files) if (bench.source / file).is_file()]
            objects = {file: tuple(_objects(bench, file)) for file in there}
            targets = tuple(dict.fromkeys(each for found in objects.values() for each in found))
            begun = log.stat().st_size
            for target in targets:
                (bench.objects / target).unlink(missing_ok=True)
            if targets:
                make(*targets)
            said = log.read_bytes()[begun:].decode(errors="replace")
            warned = tuple(dict.fromkeys(_warnings(said, bench)))
    seen = tuple(file for file, found in objects.items() if found)
    return Compiled(warned, targets, seen)


def _objects(bench: Workbench, file: str) -> Iterator[str]:
    """The objects that tell of a file, as far as the kernel is made of any."""
    stem, dot, ending = file.rpartition(".")
    if f".{ending}" in _COMPILED:
        target = Path(f"{stem}.o")
        if _command(bench, target).exists():
            yield str(target)
    elif dot and ending == "h":
        yield from _users(bench, file)


def _command(bench: Workbench, target: Path) -> Path:
    return bench.objects / target.parent / f".{target.name}.cmd"


def _users(bench: Workbench, header: str) -> list[str]:
    """Some of the objects that are made with a header, by kbuild's notes."""
    wanted = re.compile(rb"(?:/|\s)" + re.escape(header.encode()) + rb"(?:\s|$)", re.MULTILINE)
    found: list[str] = []
    for note in sorted(bench.objects.rglob(".*.o.cmd")):
        target = note.with_name(note.name.removeprefix(".").removesuffix(".cmd"))
        name = target.relative_to(bench.objects)
        if (bench.source / name).with_suffix(".c").is_file() and wanted.search(note.read_bytes()):
            found.append(str(name))
            if len(found) == _MOST_USERS:
                break
    return found


def _warnings(said: str, bench: Workbench) -> Iterator[Warned]:
    for line in said.splitlines():
        if match := _WARNING.match(line):
            yield Warned(_in_source(match[1], bench), int(match[2]), match[3])


def _in_source(name: str, bench: Workbench) -> str:
    """A file's name as patches have it: make may run elsewhere, and names it from there."""
    source = f"{bench.source}/"
    if source in name:
        return name.rpartition(source)[2]
    return re.sub(r"^(?:\.\.?/)+(?:src/)?", "", name)
