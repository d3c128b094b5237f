# SPDX-License-Identifier: GPL-2.0-only
"""A file of ``guest-tests/`` that is run as it is: a script, or a program that was built before."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lab.errors import Location, UserError
from lab.process.cache_use import note_use
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, seal
from lab.process.shelf import PROGRAMS
from lab.suites.guest_tools import libraries_of, refuse_interpreter

_ELF = b"\x7fELF"
#: A guest has all of it in memory.
_MOST = 64 << 20
#: BINPRM_BUF_SIZE (include/uapi/linux/binfmts.h): the kernel reads no more of a first line.
_LINE = 256
_HINT = "a first line like #!/bin/sh"


@dataclass(frozen=True)
class ProgramFile:
    """What such a file holds.

    Attributes:
        interpreter: What runs it, and that one's argument, by its first line; nothing for what
            the kernel runs itself.
    """

    path: Path
    content: bytes
    interpreter: tuple[str, ...]

    @staticmethod
    def read(folder: Path, program: str) -> ProgramFile:
        """The file ``program`` of a folder.

        Raises:
            UserError: It is none of the folder's own, or nothing that a kernel can run.
        """
        path = folder / program
        content = _content(path, folder)
        if content.startswith(_ELF):
            return ProgramFile(path, content, ())
        return ProgramFile(path, content, _interpreter(path, content))

    def needs(self, tools: Collection[str]) -> dict[str, Path]:
        """Files beside it, by where a guest has them.

        Args:
            tools: That its table brings.

        Raises:
            UserError: No guest has what runs it.
            InfrastructureError: A library that it needs is not on this machine.
        """
        if not self.interpreter:
            return libraries_of(self.path)
        refuse_interpreter(self.interpreter, tools, Location(self.path, 1))
        return {}


def kept(file: ProgramFile, cache: Path) -> Path:
    """A copy of it in the cache: what was looked at is what runs, whoever edits it meanwhile."""
    name = file.path.name
    digest = hashlib.sha256(name.encode() + b"\0" + file.content).hexdigest()[:24]
    final = PROGRAMS.place(cache, f"script-{digest}")
    with locked(PROGRAMS.lock_of(cache, final.name)):
        if damage(final, [name]):
            with scratch_folder(final) as scratch:
                (scratch / name).write_bytes(file.content)
                seal(scratch, [name])
        note_use(final)
    return final / name


def _content(path: Path, folder: Path) -> bytes:
    try:
        whole = path.resolve(strict=True)
        if not whole.is_relative_to(folder.resolve()):
            what = f"is a link that leads out of {folder.name}/: a run keeps what it ran"
            raise UserError(what, where=path, hint="a copy of it there")
        if not whole.is_file():
            raise UserError("is no file", where=path, hint="its name in programs")
        if whole.stat().st_size > _MOST:
            raise UserError(f"has more than {_MOST >> 20} MiB", where=path)
        return whole.read_bytes()
    except (OSError, RuntimeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot be read: {said}", where=path) from None


def _interpreter(path: Path, content: bytes) -> tuple[str, ...]:
    first, _, _ = content.partition(b"\n")
    if not first.startswith(b"#!"):
        what = "has no first line that says what runs it, and is no program of a compiler's"
        raise UserError(what, where=path, hint=_HINT)
    where = Location(path, 1)
    if first.endswith(b"\r"):
        what = "its lines end with CR LF: the guest would look for what has a CR in its name"
        raise UserError(what, where=where, hint=f"sed -i 's/\\r$//' {path}")
    if len(first) >= _LINE:
        what = f"its first line is longer than {_LINE - 1} bytes, which a kernel reads of it"
        raise UserError(what, where=where, hint=_HINT)
    words = first[2:].decode(errors="replace").split(maxsplit=1)
    if not words or not words[0].startswith("/"):
        raise UserError("its first line names nothing that runs it", where=where, hint=_HINT)
    return tuple(words)
