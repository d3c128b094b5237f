# SPDX-License-Identifier: GPL-2.0-only
"""What an object file puts into a kernel: two of one digest make the same kernel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import InfrastructureError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_ALLOC = 0x2
#: What the linker makes code and data of, beside what is loaded: objtool's notes for the link.
_ALSO = (".discard.",)


def object_digest(path: Path, folder: Path | None = None) -> str:
    """SHA-256 of all of an object that a link uses: content, relocations and symbols.

    Not of what only says where something was in the source: debug information, comments, the
    name of the file.

    Args:
        folder: Where it was built: names of files below it are the same of another folder whose
            name is as long.

    Raises:
        InfrastructureError: It cannot be read.
    """
    # Not at start-up: most commands read no ELF.
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    digest, hidden = hashlib.sha256(), b"" if folder is None else bytes(folder)
    try:
        with path.open("rb") as stream:
            for part in _parts(ELFFile(stream)):
                part = part.replace(hidden, b"/" * len(hidden)) if hidden else part
                digest.update(b"%d " % len(part) + part)
    except (OSError, ELFError) as error:
        raise InfrastructureError(f"cannot be read: {error}", where=path) from error
    return digest.hexdigest()


def _parts(elf: ELFFile) -> Iterator[bytes]:
    sections: list[Any] = list(elf.iter_sections())
    used = [number for number, each in enumerate(sections) if _is_used(each)]
    for number in used:
        yield from _content(sections[number])
    names = [each.name for each in sections]
    for each in sections:
        if each["sh_type"] in ("SHT_REL", "SHT_RELA") and each["sh_info"] in used:
            yield from _relocations(each, sections[each["sh_link"]], names)
        elif each["sh_type"] == "SHT_SYMTAB":
            yield from _symbols(each, {*used, "other"}, names)


def _content(section: Any) -> Iterator[bytes]:
    parts = (section.name, *(section[f"sh_{name}"] for name in ("type", "flags", "size")))
    yield repr((*parts, section["sh_addralign"])).encode()
    yield b"" if section["sh_type"] == "SHT_NOBITS" else bytes(section.data())


def _relocations(section: Any, table: Any, names: list[str]) -> Iterator[bytes]:
    for row in section.iter_relocations():
        target = _symbol(table.get_symbol(row["r_info_sym"]), names)
        added = row["r_addend"] if row.is_RELA() else None
        yield repr((section.name, row["r_offset"], row["r_info_type"], target, added)).encode()


def _symbols(table: Any, places: set[int | str], names: list[str]) -> Iterator[bytes]:
    for symbol in table.iter_symbols():
        if symbol["st_info"]["type"] != "STT_FILE" and _place(symbol) in places:
            yield repr(_symbol(symbol, names)).encode()


def _is_used(section: Any) -> bool:
    return bool(section["sh_flags"] & _ALLOC) or section.name.startswith(_ALSO)


def _place(symbol: Any) -> int | str:
    at = symbol["st_shndx"]
    return at if isinstance(at, int) else "other"


def _symbol(symbol: Any, names: list[str]) -> tuple[object, ...]:
    """What a symbol is, whatever its number in the table."""
    at = symbol["st_shndx"]
    place = names[at] if isinstance(at, int) else at
    info = symbol["st_info"]
    return (symbol.name, info["type"], info["bind"], place, symbol["st_value"], symbol["st_size"])
