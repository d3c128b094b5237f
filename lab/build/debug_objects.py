# SPDX-License-Identifier: GPL-2.0-only
"""Objects of a kernel compiled once more, with debug information, beside those it is linked of.

The kernel that is tested stays the one that was built: an option of the config, or of all
compilations, would make it another.  Each object's own command is run again with ``-g``.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.build.build import BuildJob, ready_workbench
from lab.build.make import Make
from lab.build.product import is_product, product, read_product
from lab.build.workbench import Workbench
from lab.process.removal import remove_tree
from lab.process.scratch import scratch_folder, write_whole
from lab.process.seal import damage, files_below, seal
from lab.process.stored import read_stored
from lab.process.temporary import temporary_folder

#: Of those that include a header: all of them may be the whole kernel.
MOST_USERS = 40
_FORMAT = 1
#: Among a workbench's objects, under a name that no build knows.
_BESIDE = ".lab-debug"
_NOTE = "debug.json"
#: kbuild's note of an object: ``cmd_mm/gup.o := gcc ...``; savedcmd_ since 6.3.
_COMMAND = re.compile(r"^(?:saved)?cmd_\S+ := (.*)$", re.MULTILINE)
_DEPENDENCIES = re.compile(r"-Wp,-MM?D,\S+")
#: Later words win, and none of them shapes code.
_WITH = "-g -gdwarf-4"


@dataclass(frozen=True)
class _Note:
    source: str
    objects: tuple[str, ...]
    compiled: tuple[str, ...]
    cut: tuple[str, ...]


@dataclass(frozen=True)
class DebugObjects:
    """What was compiled.

    Attributes:
        source: The top of the tree, as debug information names it.
        paths: The objects.
        compiled: Those of the files asked for that any object of the kernel is made of.
        cut: Headers that more objects include than were looked at.
    """

    source: Path
    paths: tuple[Path, ...]
    compiled: frozenset[str]
    cut: tuple[str, ...]


def debug_objects(job: BuildJob, files: Iterable[str], first: Sequence[str] = ()) -> DebugObjects:
    """The objects that some files of a variant become, compiled or found beside its build.

    Args:
        files: From the top of the tree.
        first: Names of C files, without folders: objects of those come first where a header has
            too many.

    Raises:
        UserError: One does not compile.
        InfrastructureError: As build() does.
    """
    wanted = tuple(sorted(set(files)))
    parts = "\n".join((str(_FORMAT), *wanted, "", *first))
    folder = job.folder / f"debug-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"
    found = _found(folder)
    if found is None:
        remove_tree(folder)
        _make(job, wanted, first, folder)
        found = _found(folder)
    assert found is not None
    return found


def _found(folder: Path) -> DebugObjects | None:
    note = read_stored(folder / _NOTE, _Note)
    if note is None or damage(folder, (_NOTE, *note.objects)):
        return None
    paths = tuple(folder / name for name in note.objects)
    return DebugObjects(Path(note.source), paths, frozenset(note.compiled), note.cut)


def _make(job: BuildJob, files: Sequence[str], first: Sequence[str], folder: Path) -> None:
    import json
    from dataclasses import asdict

    with temporary_folder("debug") as scratch:
        log = Path(scratch) / "log"
        log.touch()
        with ready_workbench(job, log) as (bench, make), scratch_folder(folder) as made:
            if not (bench.objects / "vmlinux").exists():
                make(ARCH.image)
            chosen = _Chosen.of(bench, files, first)
            if chosen.targets:
                make(*chosen.targets)
            names = [
                name for target in chosen.targets if (name := _compile(bench, make, target, made))
            ]
            note = _Note(str(bench.source), tuple(names), chosen.compiled, chosen.cut)
            write_whole(made / _NOTE, json.dumps(asdict(note)).encode())
            seal(made, (name for name, _ in [*files_below(made)]))


@dataclass(frozen=True)
class _Chosen:
    targets: tuple[str, ...]
    compiled: tuple[str, ...]
    cut: tuple[str, ...]

    @staticmethod
    def of(bench: Workbench, files: Sequence[str], first: Sequence[str]) -> _Chosen:
        found: dict[str, tuple[str, ...]] = {}
        cut = []
        users = _Users(bench)
        for file in files:
            if file.endswith((".c", ".S")):
                target = f"{file.rpartition('.')[0]}.o"
                found[file] = (target,) if _note_of(bench, target).exists() else ()
                if found[file]:
                    continue
            ordered = sorted(users.of(file), key=lambda name: _after(name, first))
            cut += [file] if len(ordered) > MOST_USERS else []
            found[file] = tuple(ordered[:MOST_USERS])
        targets = tuple(dict.fromkeys(each for names in found.values() for each in names))
        return _Chosen(targets, tuple(file for file, names in found.items() if names), tuple(cut))


def _after(target: str, first: Sequence[str]) -> tuple[bool, str]:
    return Path(target).with_suffix(".c").name not in first, target


class _Users:
    """The objects that are made with a file, by kbuild's notes, which are read once."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._notes: dict[str, bytes] | None = None

    def of(self, file: str) -> Iterator[str]:
        if self._notes is None:
            self._notes = dict(self._read())
        wanted = re.compile(rb"(?:/|\s)" + re.escape(file.encode()) + rb"(?:\s|$)", re.MULTILINE)
        return (name for name, note in self._notes.items() if wanted.search(note))

    def _read(self) -> Iterator[tuple[str, bytes]]:
        objects = self._bench.objects
        for note in sorted(objects.rglob(".*.o.cmd")):
            target = note.with_name(note.name.removeprefix(".").removesuffix(".cmd"))
            name = str(target.relative_to(objects))
            # What is linked of others is made of no source of its own.
            is_own = (self._bench.source / name).with_suffix(".c").is_file()
            if is_own and is_product(objects, str(note.relative_to(objects))):
                yield name, note.read_bytes()


def _note_of(bench: Workbench, target: str) -> Path:
    path = bench.objects / target
    return path.with_name(f".{path.name}.cmd")


def _compile(bench: Workbench, make: Make, target: str, folder: Path) -> str | None:
    """Compile an object into a folder; None of what is no object of a C file."""
    note = str(_note_of(bench, target).relative_to(bench.objects))
    match = _COMMAND.search(read_product(bench.objects, note))
    if match is None or " -c " not in match[1]:
        return None
    place = bench.objects / _BESIDE
    place.mkdir(exist_ok=True)
    name = f"{target.replace('/', '_')}"
    try:
        make.shell(_command(match[1], target, f"{_BESIDE}/{name}"))
        shutil.copyfile(product(bench.objects, f"{_BESIDE}/{name}"), folder / name)
    finally:
        remove_tree(place)
    return name


def _command(text: str, target: str, made: str) -> str:
    """The shell command that makes ``made`` as kbuild's own made ``target``, with ``-g``."""
    for escaped, plain in (("$(pound)", "#"), ("\\#", "#"), ("$$", "$")):
        text = text.replace(escaped, plain)
    text = _DEPENDENCIES.sub("", text)
    text = re.sub(rf"(?<!\S){re.escape(target)}(?!\S)", made, text)
    return text.replace(" -c ", f" {_WITH} -c ", 1)
