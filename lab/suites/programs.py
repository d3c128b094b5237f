# SPDX-License-Identifier: GPL-2.0-only
"""The guest programs: compiled once for their sources and compiler."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from lab.errors import UserError
from lab.process import ProcessFailed, run
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.use import note_use

#: Not tests: run after each mount to prove DAX, PID 1, and what the SSH server starts with.
HELPERS = ("dax-proof", "init", "ssh-waits.so")


def compile_programs(
    folder: Path, names: Iterable[str], *, cache: Path, cc: str = "gcc"
) -> dict[str, Path]:
    """Build ``guest-tests/`` and give the binaries of the named programs.

    Raises:
        UserError: A program does not compile, or the Makefile knows none of that name.
    """
    key = _key(folder, cc)
    final = cache / "programs" / key
    with locked(cache / "programs" / f".{key}.lock"):
        if not final.is_dir():
            _make(folder, final, cc)
        note_use(final)
    binaries = {name: final / name for name in (*names, *HELPERS)}
    for name, binary in binaries.items():
        if not binary.is_file():
            raise UserError(
                f"`make -C {folder}` makes no program {name!r}",
                where=folder / "Makefile",
                hint="add it to PROGRAMS there",
            )
    return binaries


def _make(folder: Path, final: Path, cc: str) -> None:
    with scratch_folder(final) as scratch:
        try:
            run(["make", "-C", folder, f"O={scratch}", f"CC={cc}", "-j4"], timeout=300)
        except ProcessFailed as error:
            raise UserError(
                "the guest programs do not compile", where=folder, detail=error.detail
            ) from error


def _key(folder: Path, cc: str) -> str:
    digest = hashlib.sha256(run([cc, "--version"]).stdout.encode())
    for path in sorted(folder.iterdir()):
        if path.suffix in (".c", ".h") or path.name == "Makefile":
            digest.update(f"{path.name}\0{path.read_text()}\0".encode())
    return digest.hexdigest()[:24]
