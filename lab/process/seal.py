# SPDX-License-Identifier: GPL-2.0-only
"""What is taken from the cache is what was put there: a digest lies beside it.

A file that a power cut, a bad disk or a curious hand changed must be made again, never
booted: its fault would be shown as the kernel's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.process.scratch import write_whole
from lab.process.stored import read_stored

#: In a folder of the cache, as sha256sum(1) writes it: ``sha256sum -c SHA256SUMS``.
SEAL = "SHA256SUMS"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; read once a process, unless its stat changes.

    Raises:
        OSError: It cannot be read.
    """
    status = path.stat()
    stamp = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return _digest(os.fspath(path), stamp)


@lru_cache(maxsize=256)
def _digest(path: str, stamp: tuple[int, int, int, int]) -> str:
    with open(path, "rb") as stream:  # noqa: PTH123
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path from there, file) pairs of a folder's files, in order; of links what they lead to.

    Raises:
        OSError: It cannot be read.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def seal(folder: Path, names: Iterable[str]) -> None:
    """Note in ``folder`` what these files of it hold now.

    Raises:
        OSError: One cannot be read, or the note not be written.
    """
    lines = (f"{file_digest(folder / name)}  {name}\n" for name in sorted(names))
    write_whole(folder / SEAL, "".join(lines).encode())


def sealed_digests(folder: Path) -> dict[str, str]:
    """What ``seal`` noted: digests by name; empty when nothing, or nothing readable, was."""
    with suppress(OSError, UnicodeDecodeError):
        rows = (line.split("  ", 1) for line in (folder / SEAL).read_text().splitlines())
        return {row[1]: row[0] for row in rows if len(row) == 2}
    return {}


def damage(folder: Path, names: Iterable[str]) -> str | None:
    """What is wrong with files of a sealed folder: one line, or None."""
    noted = sealed_digests(folder)
    for name in names:
        if name not in noted:
            return f"nothing says what its {name} was"
        try:
            if file_digest(folder / name) != noted[name]:
                return f"its {name} is not what was written"
        except FileNotFoundError:
            return f"its {name} is gone"
        except OSError as error:
            return f"its {name} cannot be read: {error.strerror}"
    return None


@dataclass(frozen=True)
class _Answer:
    value: Any
    sha256: str


def write_answer(path: Path, value: object) -> None:
    """Keep an answer, which ``read_answer`` gives back; raises OSError."""
    write_whole(path, json.dumps({"value": value, "sha256": _name(value)}).encode())


def read_answer(path: Path) -> Any:
    """What was kept, as JSON has it; None when there is nothing, or it was damaged since."""
    kept = read_stored(path, _Answer)
    return kept.value if kept is not None and kept.sha256 == _name(kept.value) else None


def _name(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
