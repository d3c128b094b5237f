# SPDX-License-Identifier: GPL-2.0-only
"""Programs made of somebody's source, once for all that goes into them.

The source is copied, and what makes the programs runs in the copy, in the sandbox of builds
where there is one.  What it left stays on the shelf of programs, sealed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.build.make import first_error
from lab.build.product import is_product
from lab.build.sandbox import Wanted, choose_sandbox, tool_folders
from lab.errors import InfrastructureError, UserError
from lab.process import ProcessTimeout, run
from lab.process.cache_use import note_use
from lab.process.deadline import Deadline
from lab.process.lock import locked
from lab.process.removal import remove_tree
from lab.process.scratch import scratch_folder
from lab.process.seal import SEAL, damage, seal, sealed_digests
from lab.process.shelf import PROGRAMS
from lab.process.tool_failure import trouble
from lab.store.bundle import pull_folder, push_folder
from lab.suites.c_compiler import Compiler
from lab.suites.guest_tools import libraries_of

_FORMAT = 1
_LOG = "make.log"
_SHOWN = 12
_COMPILER = "gcc"
_MISSING = re.compile(r"fatal error: ([\w./+-]+\.h): No such file or directory")
#: Where packages put headers, and with Debian's multiarch.
_HEADERS = (
    *(Path("/usr/include"), Path("/usr/local/include")),
    *sorted(Path("/usr/include").glob("*-linux-*")),
)


@dataclass(frozen=True)
class Making:
    """How programs are made of a source.

    Attributes:
        name: Of its suite or source, for people.
        identity: Names the source, whole.
        commands: A shell's, each in the copy of it.
        take: Globs, from its top, of the files that programs are.
        deadline_s: Of all of them together.
    """

    name: str
    identity: str
    commands: tuple[str, ...]
    take: tuple[str, ...]
    deadline_s: float
    sandbox: Wanted = "auto"

    @property
    def key(self) -> str:
        """Names what is made: 24 hexadecimal digits."""
        compiler = Compiler.probe(_COMPILER)
        parts = (
            *(_FORMAT, self.identity, self.commands, self.take, ARCH.name),
            *(compiler.version, compiler.library),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def made(making: Making, fill: Callable[[Path], None], cache: Path) -> Path:
    """The folder of the programs, each by its name, and of the log of what made them.

    Args:
        fill: Writes the source into an empty folder.

    Raises:
        UserError: Its commands fail, or make nothing that is taken.
        InfrastructureError: This machine cannot run them, or the deadline passed.
    """
    final = PROGRAMS.place(cache, f"made-{making.key}")
    with locked(PROGRAMS.lock_of(cache, final.name)):
        names = sealed_digests(final)
        if not names or damage(final, names) or wanted_is_here(final / _LOG, _HEADERS):
            with scratch_folder(final) as scratch:
                had = pull_folder(PROGRAMS.kind, final, scratch, [_LOG], _unlike_here)
                if not had:
                    work = scratch / "work"
                    work.mkdir()
                    fill(work)
                    _run(making, work, scratch / _LOG)
                    seal(scratch, [*_take(making, work, scratch), _LOG])
                    remove_tree(work)
            if not had:
                push_folder(PROGRAMS.kind, final)
        note_use(final)
    return final


def _unlike_here(folder: Path) -> str:
    """Why programs that another machine made are not those that this one would make.

    Which headers and libraries there are is in no key: what was left out there could be made
    here, and what was made there may not run here.
    """
    missing = set(_MISSING.findall((folder / _LOG).read_text(errors="replace")))
    for name in sorted(missing):
        if any((place / name).is_file() for place in _HEADERS):
            return f"it was made without {name}, which is here"
    for path in sorted(folder.iterdir()):
        if path.name not in (_LOG, SEAL) and path.read_bytes()[:4] == b"\x7fELF":
            libraries_of(path)  # an error that says which is not here
    return ""


def wanted_is_here(log: Path, folders: Iterable[Path]) -> bool:
    """Whether a header that was missing when programs were made has come to this machine since.

    Of a ``make -k`` the programs that need it are missing then, and nothing else.
    """
    missing = set(_MISSING.findall(log.read_text(errors="replace")))
    made_s = log.stat().st_mtime
    files = (folder / name for folder in folders for name in missing)
    # A package's files have the times of their making: when one came is when its inode changed.
    return any(file.is_file() and file.stat().st_ctime > made_s for file in files)


def why_not(folder: Path, name: str) -> str:
    """What its log says of a program that was not made."""
    lines = (folder / _LOG).read_text(errors="replace").splitlines()
    said = (line for line in lines if f"{name}.c:" in line and "error" in line)
    return next(said, "nothing made it")


def _run(making: Making, work: Path, log: Path) -> None:
    deadline = Deadline("build", making.deadline_s)
    for command in making.commands:
        try:
            status = run(
                _command(making, command, work), check=False, timeout=deadline.left_s, log=log
            ).status
        except ProcessTimeout as error:
            error.hint = "raise deadlines.build in lab.toml"
            raise
        if status != 0:
            raise _failure(making, command, status, log)
        # One that goes on after errors ends well: what is missing then is no word on the source.
        if ours := trouble("sh", 0, log.read_text(errors="replace").splitlines()):
            raise _not_here(making, ours)


def _command(making: Making, command: str, work: Path) -> list[str]:
    settings = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    sandbox = choose_sandbox(making.sandbox)
    settings |= sandbox.environment if sandbox else {"HOME": str(work), "TMPDIR": str(work)}
    words = [f"{name}={value}" for name, value in settings.items()]
    script = ["env", "-i", *words, "sh", "-euc", f'cd "$0"\n{command}', str(work)]
    if sandbox is None:
        return script
    read = tool_folders(settings, [_COMPILER])
    # The first process in there is the sandbox's own, whose environment others may read.
    return ["env", "-i", *sandbox.around(script, read=read, write=[work])]


def _failure(
    making: Making, command: str, status: int, log: Path
) -> UserError | InfrastructureError:
    lines = log.read_text(errors="replace").splitlines()
    if ours := trouble("sh", status, lines, log.parent):
        return _not_here(making, ours)
    first = first_error(lines)
    said = lines[first] if lines else f"it ended with status {status} and said nothing"
    detail = "\n".join(lines[max(0, first - 2) : first + _SHOWN])
    return UserError(f"{making.name} does not build: {said}", where=command, detail=detail)


def _not_here(making: Making, why: str) -> InfrastructureError:
    return InfrastructureError(f"{making.name} was not built: {why}", hint="lab doctor")


def _take(making: Making, work: Path, scratch: Path) -> Sequence[str]:
    taken: dict[str, Path] = {}
    for path in _products(making.take, work):
        other = taken.setdefault(path.name, path)
        if other != path and other.read_bytes() != path.read_bytes():
            here, there = (one.relative_to(work) for one in (other, path))
            what = f"{making.name} makes two programs {path.name!r}: {here}, {there}"
            raise UserError(what, hint="a `take` that names one of them")
    if not taken:
        lines = (scratch / _LOG).read_text(errors="replace").splitlines()
        what = f"{making.name} was built, and left no program that `take` names"
        raise UserError(what, hint=", ".join(making.take), detail="\n".join(lines[-_SHOWN:]))
    for name, path in taken.items():
        shutil.copy2(path, scratch / name)
    return list(taken)


def _products(globs: Sequence[str], work: Path) -> Iterator[Path]:
    """Files of its own that can be run."""
    for glob in globs:
        for path in sorted(work.glob(glob)):
            if is_product(work, str(path.relative_to(work))) and os.access(path, os.X_OK):
                yield path
