# SPDX-License-Identifier: GPL-2.0-only
"""A reproducer in a file that somebody gave: a suite in one word."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lab.config import LoadedConfig
from lab.config.kinds import REPRODUCER
from lab.config.model import GivenSuite
from lab.config.programs import NO_TESTS
from lab.errors import Location, UserError
from lab.process.cache_use import note_use
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, seal
from lab.process.shelf import PROGRAMS
from lab.suites.c_programs import LIBRARY
from lab.suites.reproducers import Reproducers

#: A reproducer of a megabyte is none that somebody wrote.
_MOST = 1 << 20
_LONGEST_NAME = 40


def with_reproducer(loaded: LoadedConfig, given: str, cache: Path) -> tuple[LoadedConfig, str]:
    """A config with a suite for a file, and that suite's name; it is compiled at once.

    The suite is called as the file is, ``repro-NAME`` where something else is called that.

    Args:
        given: A file, or a command line that begins with one.
        cache: Keeps its source, so that what was compiled is what a run keeps.

    Raises:
        UserError: There is no such file, or it does not compile: in the compiler's words.
    """
    file, arguments = _split(given)
    name = _free_name(file, loaded)
    project = _kept(file, name, loaded.root / "guest-tests", cache)
    suite = GivenSuite(programs=(name,), kind=REPRODUCER, arguments=arguments, project=project)
    _compile(Reproducers(project), name, file, cache)
    suites = {**loaded.config.suites, name: suite}
    return replace(loaded, config=loaded.config.model_copy(update={"suites": suites})), name


def _split(given: str) -> tuple[Path, tuple[str, ...]]:
    """The file and its arguments; a file whose name has blanks is that file."""
    if (whole := _expanded(given)).is_file():
        return whole, ()
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise UserError(f"{given!r} is no command line: {error}", where="--repro") from None
    if not words:
        raise UserError("no file is named", where="--repro", hint="--repro file.c")
    file = _expanded(words[0])
    if not file.is_file():
        what = "this is no file" if file.exists() else "there is no such file"
        raise UserError(what, where=file, hint="--repro file.c, or --repro 'file.c ARGUMENT…'")
    return file, tuple(words[1:])


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _free_name(file: Path, loaded: LoadedConfig) -> str:
    """Its name as that of a suite and a program: no other has it, in this config or a guest."""
    suites = loaded.config.suites
    taken = {*suites, *NO_TESTS, *(name for each in suites.values() for name in each.programs)}
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", file.stem).strip("-_")[:_LONGEST_NAME] or "repro"
    if stem not in taken:
        return stem
    name, number = f"repro-{stem}", 2
    while name in taken:
        name, number = f"repro-{stem}-{number}", number + 1
    return name


def _kept(file: Path, name: str, programs: Path, cache: Path) -> Path:
    """A folder of the cache that holds its source, and what such programs are made with."""
    contents = {f"{name}.c": _read(file)}
    for other in ("Makefile", *(f"{each}.{end}" for each in LIBRARY for end in ("c", "h"))):
        contents[other] = _read(programs / other)
    final = PROGRAMS.place(cache, f"source-{_digest(contents)}")
    names = [f"guest-tests/{each}" for each in contents]
    with locked(PROGRAMS.lock_of(cache, final.name)):
        if damage(final, names):
            with scratch_folder(final) as scratch:
                (scratch / "guest-tests").mkdir()
                for each, content in contents.items():
                    (scratch / "guest-tests" / each).write_bytes(content)
                seal(scratch, names)
        note_use(final)
    return final


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST:
            raise UserError(f"it has more than {_MOST >> 20} MiB", where=file)
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=file) from None


def _digest(contents: Mapping[str, bytes]) -> str:
    parts = (f"{name} {hashlib.sha256(each).hexdigest()}" for name, each in contents.items())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _compile(suite: Reproducers, name: str, file: Path, cache: Path) -> None:
    """Raise what is wrong with it, in the user's file and not in the copy of it."""
    error = suite.build([name], cache).failed.get(name)
    if error is None:
        return
    if isinstance(error.where, Location) and error.where.path.name == f"{name}.c":
        error.where = Location(file, error.where.line)
    elif isinstance(error.where, Path):
        error.where = file
    if error.detail:
        error.detail = error.detail.replace(f"{suite.folder}/", "").replace(f"{name}.c", file.name)
    raise error


def with_reproducers(
    loaded: LoadedConfig, given: Iterable[str], cache: Path
) -> tuple[LoadedConfig, tuple[str, ...]]:
    """The same for each of several; a file that is given twice has two names."""
    names: list[str] = []
    for each in given:
        loaded, name = with_reproducer(loaded, each, cache)
        names.append(name)
    return loaded, tuple(names)
