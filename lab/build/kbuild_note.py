# SPDX-License-Identifier: GPL-2.0-only
"""What kbuild notes of an object beside it: how it was made, and what was read for that.

``mm/.mlock.o.cmd`` has the command, each file that the compiler read, and the options that these
files speak of: scripts/basic/fixdep.c writes it once the object is there.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lab.build.product import NoProduct, read_product
from lab.errors import InfrastructureError
from lab.process import run
from lab.process.temporary import temporary_folder

#: What the command of each object of the kernel itself has, and no program's of the build.
_OF_KERNEL = " -D__KERNEL__ "
_OPTION = re.compile(r"\$\(wildcard ([^()$]+)\)")
_LOOKING_S = 60.0


@dataclass(frozen=True)
class Note:
    """The note of one object.

    Args:
        text: All of it.
        files: What was read: paths below the objects' folder, or absolute ones.
        shaping: What it is older than where an option, or objtool, is otherwise since; such a
            file need not be there.
    """

    text: str
    files: tuple[str, ...]
    shaping: tuple[str, ...]


def note_name(name: str) -> str:
    """Where the note of an object lies, both below the objects' folder."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}.{base}.cmd"


def read_note(objects: Path, name: str) -> Note | None:
    """The note of an object of the kernel's; None where it is no such, or cannot be read whole."""
    try:
        text = read_product(objects, note_name(name))
    except (NoProduct, OSError):
        return None
    command, _, rest = text.partition(f"\ndeps_{name} := \\\n")
    source = re.search(rf"^source_{re.escape(name)} := (\S+)$", command, re.MULTILINE)
    # It was written to its end, and is an object's that the kernel is made of.
    is_whole = f"\n\n$(deps_{name}):\n" in rest
    if not is_whole or source is None or _OF_KERNEL not in command:
        return None
    lines = [line.removesuffix("\\").strip() for line in rest.partition("\n\n")[0].splitlines()]
    files = [line for line in lines if line and not _OPTION.fullmatch(line)]
    # What make would not take for one file's name has a meaning that is not known here.
    if any(set(" $\\") & set(line) for line in files):
        return None
    return Note(text, (source[1], *files), tuple(_OPTION.findall(rest)))


def notes_with(objects: Path, texts: Collection[str]) -> list[str]:
    """The notes in which one of these stands in a line: paths below the objects' folder.

    Raises:
        InfrastructureError: They cannot be looked at.
    """
    lines = [text for text in texts if "\n" not in text]
    if not lines:
        return []
    with temporary_folder("notes") as folder:
        patterns = folder / "patterns"
        patterns.write_text("\n".join((*lines, "")), errors="surrogateescape")
        command = ["grep", "-rlF", "--include=.*.cmd", "-f", str(patterns), "."]
        found = run(command, cwd=objects, check=False, timeout=_LOOKING_S)
    if found.status > 1:
        raise not_looked_at(objects)
    return found.stdout.splitlines()


def not_looked_at(objects: Path) -> InfrastructureError:
    """For who cannot look at the notes."""
    return InfrastructureError("the notes of a build cannot be looked at", where=objects)
