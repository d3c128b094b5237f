# SPDX-License-Identifier: GPL-2.0-only
"""C programs for a guest: each compiled once for all that goes into it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lab.build.make import first_error
from lab.errors import InfrastructureError, LabError, Location, UserError
from lab.host.tool import ask_each
from lab.process import Result, run
from lab.process.cache_use import note_use
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, seal
from lab.process.shelf import PROGRAMS
from lab.process.tool_failure import trouble
from lab.store.bundle import pull_folder, push_folder
from lab.suites.c_source import Sources, sources_of
from lab.suites.suite import BuiltPrograms

#: Raised when the same sources come to be compiled otherwise.
_FORMAT = 1
#: All that make gets of the lab's environment: CFLAGS, MAKEFLAGS, CPATH and their like
#: shape a program, and are in no key (ccbrown/needy#84, Tk-Glitch/PKGBUILDS#48).
_KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
_DEADLINE_S = 300
_COMPILER_ERROR = re.compile(r"^([^\s:]+):(\d+)(?::\d+)?: (?:fatal )?error: (.*)")
#: The linker says first in which function.
_LINKER_ERROR = re.compile("undefined reference to|multiple definition of|cannot find -l")
#: Of what make said: an error's neighbours.
_SHOWN = 12


def compile_programs(
    folder: Path, names: Iterable[str], *, cache: Path, cc: str = "gcc"
) -> BuiltPrograms:
    """Compile the named programs of ``guest-tests/``, and no others.

    Raises:
        InfrastructureError: There is no compiler.
    """
    compiler = Compiler.probe(cc)
    wanted = tuple(dict.fromkeys(names))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = dict(
            zip(wanted, pool.map(lambda name: _try(folder, name, cache, compiler), wanted),
                strict=True)
        )  # fmt: skip
    return BuiltPrograms(
        {name: found for name, found in made.items() if isinstance(found, Path)},
        {name: found for name, found in made.items() if isinstance(found, LabError)},
    )


class _EditedError(Exception):
    """Nobody knows which of two texts was compiled: it must not be kept."""


@dataclass(frozen=True)
class Compiler:
    """The compiler, and what it adds to each program by itself."""

    cc: str
    version: str
    headers: tuple[Path, ...]
    library: str

    @staticmethod
    @lru_cache
    def probe(cc: str) -> Compiler:
        if shutil.which(cc) is None:
            raise InfrastructureError(f"{cc} is not installed", hint="lab doctor")
        headers, place, version = _asked(
            [cc, "-xc", "-E", "-v", os.devnull],
            [cc, "-print-file-name=libc.a"],
            [cc, "--version"],
        )
        library = Path(place.stdout.strip())
        digest = hashlib.sha256(library.read_bytes()).hexdigest() if library.is_file() else ""
        return Compiler(cc, version.stdout, tuple(_headers(headers.stderr)), digest)


def _headers(said: str) -> list[Path]:
    """The folders of ``#include <...>``, as ``gcc -v`` lists them."""
    _, _, after = said.partition("#include <...> search starts here:\n")
    listed, _, _ = after.partition("End of search list.")
    return [Path(line.strip()) for line in listed.splitlines()]


def _clean(command: Sequence[str | Path], timeout: float = 60, *, check: bool = True) -> Result:
    """Run a command that heeds nothing of the environment but where things are."""
    return run([*_bare(), *command], timeout=timeout, check=check)


def _asked(*commands: Sequence[str | Path]) -> list[Result]:
    """The same for what answers at once, side by side."""
    return ask_each([*_bare(), *command] for command in commands)


def _bare() -> list[str]:
    kept = [f"{name}={os.environ[name]}" for name in _KEPT if name in os.environ]
    return ["env", "-i", *kept, "LC_ALL=C"]


def _try(folder: Path, name: str, cache: Path, compiler: Compiler) -> Path | LabError:
    try:
        while (found := _compile(folder.resolve(), name, cache, compiler)) is None:
            pass
    except LabError as error:
        return error
    except OSError as error:
        said = f"{name} cannot be kept: {error.strerror or error}"
        return InfrastructureError(said, where=PROGRAMS.place(cache), hint="lab doctor")
    return found


def _compile(folder: Path, name: str, cache: Path, compiler: Compiler) -> Path | None:
    """The program; None when its sources were edited while they were compiled."""
    sources = sources_of(folder, name, compiler.headers)
    final = PROGRAMS.place(cache, _key(name, sources, compiler))
    with locked(PROGRAMS.lock_of(cache, final.name)):
        if damage(final, [name]):
            try:
                with scratch_folder(final) as scratch:
                    had = pull_folder(PROGRAMS.kind, final, scratch, [name])
                    if not had:
                        _make(folder, name, scratch, compiler.cc)
                        seal(scratch, [name])
                    if sources_of(folder, name, compiler.headers) != sources:
                        raise _EditedError
            except _EditedError:
                return None
            if not had:
                push_folder(PROGRAMS.kind, final)
        note_use(final)
    return final / name


def _key(name: str, sources: Sources, compiler: Compiler) -> str:
    parts = (str(_FORMAT), name, sources.digest, compiler.cc, compiler.version, compiler.library)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _make(folder: Path, name: str, scratch: Path, cc: str) -> None:
    target = scratch / name
    command: list[str | Path] = ["make", "-s", "--no-print-directory", "-C", folder]
    command += [f"O={scratch}", f"CC={cc}", f"PROGRAMS={name}", target]
    made = _clean(command, _DEADLINE_S, check=False)
    if made.status != 0:
        # Where it is made is another place each time.
        said = f"{made.stderr}{made.stdout}".replace(f"{scratch}/", "")
        lines = said.splitlines()
        if ours := trouble("make", made.status, lines, scratch):
            raise InfrastructureError(
                f"{name} was not compiled: {ours}",
                where=scratch.parent,
                detail=said,
                hint="lab doctor",
            )
        raise _failure(folder, name, lines)
    if not target.is_file():
        raise UserError(f"`make` ended well and made no program {name!r}", where=folder)
    shutil.rmtree(scratch / "obj", ignore_errors=True)


def _failure(folder: Path, name: str, said: list[str]) -> UserError:
    """Why a program does not compile: the first error, and where it is."""
    linker = (index for index, line in enumerate(said) if _LINKER_ERROR.search(line))
    first = next(linker, first_error(said))
    detail = "\n".join(said[first : first + _SHOWN])
    what, where = said[first] if said else "`make` failed and said nothing", folder / f"{name}.c"
    if match := _COMPILER_ERROR.match(what):
        return UserError(
            f"{name} does not compile: {match[3]}",
            where=Location(folder / match[1], int(match[2])),
            detail=detail,
        )
    return UserError(f"{name} does not compile: {what}", where=where, detail=detail)
