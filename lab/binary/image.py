# SPDX-License-Identifier: GPL-2.0-only
"""The functions and data of a linked kernel, by names that two builds share."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lab.errors import InfrastructureError

#: Elf64_Sym (elf(5)): st_name, st_info, st_other, st_shndx, st_value, st_size.
_SYMBOL = struct.Struct("<IBBHQQ")
_NOTYPE, _OBJECT, _FUNCTION, _FILE = 0, 1, 2, 4
_ALLOC = 0x2
#: The compiler numbers what has one name in a file, and one more there renumbers the others.
_NUMBER = re.compile(r"\.\d+$|(?<=__UNIQUE_ID_)\w+|(?<=___addressable_)\w+$")
#: The upper 32 bits of what is linked: the kernel's own, and what counts from 0 for each CPU.
_HALVES = frozenset((0xFFFF_FFFF, 0))
#: __START_KERNEL_map (arch/x86/include/asm/page_64_types.h): what __pa_symbol() takes off.
_MAP = 0xFFFF_FFFF_8000_0000
_NOTHING: frozenset[object] = frozenset()
#: Of .rodata.cst16 and .cst32: what a vector instruction loads.
_CONSTANT = 16
#: Of C: strings have no symbols, and one more moves the others.
_STRING = re.compile(rb"[\t\n\x01\x20-\x7e]*\0")


class Name(NamedTuple):
    """What a symbol is called in any build.

    Attributes:
        file: The source that the compiler was given, without its folder; "" of a global one.
        name: Without the compiler's number.
        number: Which of those that have the same file and name, from 0, by address.
    """

    file: str
    name: str
    number: int

    @staticmethod
    def of(symbol: str) -> str:
        """The name of what an object calls ``symbol``."""
        return _NUMBER.sub("", symbol)


class Symbol(NamedTuple):
    """A function or datum."""

    address: int
    size: int
    name: Name
    is_function: bool


class _Row(NamedTuple):
    address: int
    size: int
    file: str
    name: str
    is_function: bool


class Section(NamedTuple):
    """What is loaded at one place; ``content`` is empty where it is all zeros."""

    name: str
    address: int
    size: int
    content: bytes


@dataclass(frozen=True, eq=False)
class Image:
    """A vmlinux, read once.

    Attributes:
        sections: What is loaded.
        loaded: Their numbers in the file.
        table, names: ``.symtab`` and ``.strtab``, as they are.
    """

    sections: tuple[Section, ...]
    loaded: frozenset[int]
    table: bytes
    names: bytes

    @staticmethod
    def read(path: Path) -> Image:
        """A vmlinux, not stripped.

        Raises:
            InfrastructureError: It cannot be read, or is none.
        """
        # Not at start-up: most commands read no ELF.
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        try:
            with path.open("rb") as stream:
                elf = ELFFile(stream)
                table, names = (
                    elf.get_section_by_name(".symtab"),
                    elf.get_section_by_name(".strtab"),
                )
                if table is None or names is None:
                    raise InfrastructureError("has no symbols", where=path)
                sections = {
                    index: Section(
                        each.name,
                        each["sh_addr"],
                        each["sh_size"],
                        b"" if each["sh_type"] == "SHT_NOBITS" else each.data(),
                    )
                    for index, each in enumerate(elf.iter_sections())
                    if each["sh_flags"] & _ALLOC
                }
                loaded = frozenset(sections)
                return Image(tuple(sections.values()), loaded, table.data(), names.data())
        except (OSError, ELFError) as error:
            raise InfrastructureError(f"cannot be read: {error}", where=path) from error

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """Those that have a size, by address."""
        return _symbols(self._rows)

    @cached_property
    def marks(self) -> Mapping[int, frozenset[str]]:
        """Names of those that have none, by address: the linker script's, and labels."""
        return _marks(self._rows)

    @cached_property
    def _rows(self) -> tuple[_Row, ...]:
        return tuple(_rows(self.table, self.names, self.loaded))

    def content(self, symbol: Symbol) -> bytes:
        """Its bytes; nothing of what is all zeros."""
        section = self.section(symbol.address)
        if section is None or not section.content:
            return b""
        start = symbol.address - section.address
        return section.content[start : start + symbol.size]

    @cached_property
    def by_name(self) -> dict[Name, Symbol]:
        """Each symbol by its name."""
        return {each.name: each for each in self.symbols}

    def things(self, address: int) -> frozenset[object]:
        """What is at an address, each said without it: nothing where none is loaded.

        A symbol and how far into it, a mark of the linker's; of what has no symbol a string, or
        its place in its section.
        """
        if address >> 32 not in _HALVES:
            return _NOTHING
        known = self._things.get(address)
        if known is None:
            known = self._things[address] = frozenset(self._found(address))
        return known

    def _found(self, address: int) -> Iterator[object]:
        # The end of what is loaded is a mark, and in none of it.
        yield from self.marks.get(address, ())
        section = self.section(address)
        if section is None:
            # What __pa_symbol() makes of an address.
            if address < 1 << 31:
                yield from self._found(address | _MAP)
            return
        at = bisect_right(self._addresses, address) - 1
        # One past its end is still its own: what loops over a table compares with that.
        if at >= 0 and address <= self._ends[at]:
            symbol = self.symbols[at]
            yield symbol.name, address - symbol.address
            return
        start = address - section.address
        yield section.name, start
        string = _STRING.match(section.content, start)
        content = string[0] if string else section.content[start : start + _CONSTANT]
        if content:
            yield section.name, content

    @cached_property
    def _things(self) -> dict[int, frozenset[object]]:
        return {}

    @cached_property
    def _addresses(self) -> list[int]:
        return [each.address for each in self.symbols]

    @cached_property
    def _ends(self) -> list[int]:
        return [each.address + each.size for each in self.symbols]

    def section(self, address: int) -> Section | None:
        """What is loaded at an address."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        section = self._by_address[at]
        return section if address < section.address + section.size else None

    @cached_property
    def _by_address(self) -> list[Section]:
        return sorted((each for each in self.sections if each.size), key=lambda each: each.address)

    @cached_property
    def _starts(self) -> list[int]:
        return [each.address for each in self._by_address]


def _symbols(rows: Iterable[_Row]) -> tuple[Symbol, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    symbols = []
    for row in sorted(row for row in rows if row.size):
        number = counts[row.file, row.name]
        counts[row.file, row.name] += 1
        name = Name(row.file, row.name, number)
        symbols.append(Symbol(row.address, row.size, name, row.is_function))
    return tuple(symbols)


def _marks(rows: Iterable[_Row]) -> dict[int, frozenset[str]]:
    marks: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if not row.size:
            marks[row.address].add(row.name)
    return {address: frozenset(names) for address, names in marks.items()}


def _rows(table: bytes, names: bytes, loaded: Collection[int]) -> Iterator[_Row]:
    file = ""
    for name_at, info, _, index, address, size in _SYMBOL.iter_unpack(table):
        kind, is_local = info & 0xF, not info >> 4
        if kind == _FILE:
            file = _text(names, name_at)
        elif kind in (_NOTYPE, _OBJECT, _FUNCTION) and (index in loaded or not size):
            name = Name.of(_text(names, name_at))
            yield _Row(address, size, file if is_local else "", name, kind == _FUNCTION)


def _text(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode(errors="replace")
