# SPDX-License-Identifier: GPL-2.0-only
"""An object that was compiled with debug information: its functions and its lines."""

from __future__ import annotations

import posixpath
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lab.errors import InfrastructureError
from lab.process import run
from lab.process.temporary import temporary_folder

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DWARFInfo
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import Symbol

_DEADLINE_S = 120.0
#: Bytes of a relocation's field by its type (the x86-64 psABI, 4.4.1); 4 of all others.
_WIDE = frozenset((1, 24))
_NONE = 0


class Row(NamedTuple):
    """A row of the line table: ``starts`` says that a statement begins there.

    Several may be at one address: what has no instruction of its own comes first.
    """

    address: int
    file: str
    line: int
    starts: bool


@dataclass(frozen=True)
class ObjectFunction:
    """A function as the compiler gave it: ``masked`` are offsets that the linker fills in."""

    name: str
    address: int
    content: bytes
    masked: frozenset[int]

    def is_in(self, content: bytes) -> bool:
        """Whether linked code is this, what the linker filled in apart."""
        if len(content) != len(self.content):
            return False
        pairs = zip(self.content, content, strict=True)
        return all(one == two or at in self.masked for at, (one, two) in enumerate(pairs))


class _Inlined(NamedTuple):
    low: int
    high: int
    number: int


@dataclass(frozen=True, eq=False)
class DebugObject:
    """An object's functions and lines; all addresses are of this object alone."""

    functions: tuple[ObjectFunction, ...]
    rows: tuple[Row, ...]
    dwarf: DWARFInfo

    @cached_property
    def _inlined(self) -> tuple[_Inlined, ...]:
        """Most lines are in no copy, and no second is spent on them."""
        return tuple(sorted(_inlined(self.dwarf)))

    @staticmethod
    def read(path: Path, source: Path) -> DebugObject:
        """An object.

        Args:
            source: The top of the tree that it is of: files are named from there.

        Raises:
            InfrastructureError: It cannot be read, or has no debug information.
        """
        from elftools.common.exceptions import DWARFError, ELFError
        from elftools.elf.elffile import ELFFile

        try:
            linked = ELFFile(BytesIO(_linked(path)))
            if not linked.has_dwarf_info():
                raise InfrastructureError("has no debug information", where=path)
            dwarf = linked.get_dwarf_info(relocate_dwarf_sections=False)
            rows = tuple(sorted(_rows(dwarf, source), key=lambda row: row.address))
            own = ELFFile(BytesIO(path.read_bytes()))
            functions = tuple(_functions(own, _addresses(linked)))
            return DebugObject(functions, rows, dwarf)
        except (OSError, ELFError, DWARFError, struct.error, KeyError, IndexError) as error:
            raise InfrastructureError(f"cannot be read: {error}", where=path) from error

    def may_have(self, name: str) -> bool:
        """Whether a function of this name may be part of it, inlined and folded away or not.

        Its debug information names each that is: of all others the name is nowhere in it.
        """
        return any(f"{name}\0".encode() in text for text in self._texts)

    @cached_property
    def _texts(self) -> tuple[bytes, ...]:
        # A short name stands where it is used (DW_FORM_string).
        sections = (self.dwarf.debug_str_sec, self.dwarf.debug_info_sec)
        return tuple(_content(each) for each in sections if each is not None)

    def copy_at(self, address: int) -> int:
        """Which inlined copy an address is in, the innermost; 0 in none."""
        around = [each for each in self._inlined if each.low <= address < each.high]
        return min(around, key=lambda each: each.high - each.low).number if around else 0

    def function_at(self, address: int) -> ObjectFunction | None:
        """The function that an address is in."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        found = self._ordered[at]
        return found if address < found.address + len(found.content) else None

    @cached_property
    def _ordered(self) -> list[ObjectFunction]:
        return sorted(self.functions, key=lambda each: each.address)

    @cached_property
    def _starts(self) -> list[int]:
        return [each.address for each in self._ordered]


def _content(section: DebugSectionDescriptor) -> bytes:
    section.stream.seek(0)
    return section.stream.read()


def _linked(path: Path) -> bytes:
    """The object linked alone: each section has addresses of its own, which debug information says.

    Of pyelftools, that takes 20 s for mm/gup.c of 6.1, of ld 0.1 s.
    """
    with temporary_folder("debug") as folder:
        made = Path(folder) / "linked"
        # What it calls is elsewhere: those addresses are of no interest.
        options = ("--unresolved-symbols=ignore-all", "--entry=0", "--no-warn-mismatch")
        run(["ld", *options, "-o", made, path], timeout=_DEADLINE_S)
        return made.read_bytes()


def _symbols(elf: ELFFile) -> Iterator[Symbol]:
    from elftools.elf.sections import SymbolTableSection

    table = elf.get_section_by_name(".symtab")
    return table.iter_symbols() if isinstance(table, SymbolTableSection) else iter(())


def _addresses(linked: ELFFile) -> Mapping[str, int]:
    """Where functions are; one whose name another has is none of them."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    for symbol in _symbols(linked):
        if symbol["st_info"]["type"] == "STT_FUNC":
            if symbol.name in found:
                twice.add(symbol.name)
            found[symbol.name] = symbol["st_value"]
    return {name: address for name, address in found.items() if name not in twice}


def _functions(elf: ELFFile, addresses: Mapping[str, int]) -> Iterator[ObjectFunction]:
    masks = dict(_masks(elf))
    for symbol in _symbols(elf):
        section = symbol["st_shndx"]
        if symbol.name not in addresses or not isinstance(section, int):
            continue
        if symbol["st_info"]["type"] != "STT_FUNC":
            continue
        start, size = symbol["st_value"], symbol["st_size"]
        content = elf.get_section(section).data()[start : start + size]
        mask = masks.get(section, ())
        own = frozenset(at - start for at in mask if start <= at < start + size)
        yield ObjectFunction(symbol.name, addresses[symbol.name], content, own)


def _masks(elf: ELFFile) -> Iterator[tuple[int, frozenset[int]]]:
    """(section, offsets that the linker fills in) pairs."""
    from elftools.elf.relocation import RelocationSection

    for section in elf.iter_sections():
        # Debug information has most of them.
        if isinstance(section, RelocationSection) and ".debug" not in section.name:
            found: set[int] = set()
            for each in section.iter_relocations():
                kind = each["r_info_type"]
                width = 8 if kind in _WIDE else 4 if kind != _NONE else 0
                found.update(range(each["r_offset"], each["r_offset"] + width))
            yield section["sh_info"], frozenset(found)


def _rows(dwarf: DWARFInfo, source: Path) -> Iterator[Row]:
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        names = [*_file_names(unit, program, source)]
        first = 0 if program["version"] >= 5 else 1
        for entry in program.get_entries():
            state = entry.state
            if state is not None and not state.end_sequence and state.line:
                name = names[state.file - first]
                yield Row(state.address, name, state.line, bool(state.is_stmt))


def _file_names(unit: CompileUnit, program: object, source: Path) -> Iterator[str]:
    header = program.header  # type: ignore[attr-defined]
    top = unit.get_top_DIE()
    built = top.attributes.get("DW_AT_comp_dir")
    where = built.value.decode(errors="replace") if built else ""
    is_new = header["version"] >= 5
    folders = [each.decode(errors="replace") for each in header["include_directory"]]
    if not is_new:
        folders = [where, *folders]
    for each in header["file_entry"]:
        folder = folders[each.dir_index] if each.dir_index < len(folders) else ""
        whole = posixpath.join(where, folder, each.name.decode(errors="replace"))
        yield _relative(posixpath.normpath(whole), source)


def _relative(name: str, source: Path) -> str:
    prefix = f"{source}/"
    return name.removeprefix(prefix)


def _inlined(dwarf: DWARFInfo) -> Iterator[_Inlined]:
    from elftools.dwarf.descriptions import describe_form_class
    from elftools.dwarf.ranges import RangeEntry

    ranges = dwarf.range_lists()
    for unit in dwarf.iter_CUs():
        start = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
        base = start.value if start is not None else 0
        for die in unit.iter_DIEs():
            if die.tag != "DW_TAG_inlined_subroutine":
                continue
            low, high = (die.attributes.get(f"DW_AT_{name}_pc") for name in ("low", "high"))
            if low is not None and high is not None:
                is_end = describe_form_class(high.form) == "address"
                end = high.value if is_end else low.value + high.value
                yield _Inlined(low.value, end, die.offset)
            elif "DW_AT_ranges" in die.attributes and ranges is not None:
                found = ranges.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, unit)
                for each in found:
                    if isinstance(each, RangeEntry):
                        offset = 0 if each.is_absolute else base
                        yield _Inlined(
                            each.begin_offset + offset, each.end_offset + offset, die.offset
                        )
