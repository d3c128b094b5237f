# SPDX-License-Identifier: GPL-2.0-only
"""In what two linked kernels differ, addresses apart.

A longer function moves all that is linked after it, and with it the operand of every call over
the place.  So bytes that differ count as equal where both are the address of the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from lab.binary.image import Image, Name, Section, Symbol

#: scripts/kallsyms.c makes them of all addresses, after the link.
_OF_ADDRESSES = "kallsyms_"
_BUGS = "__bug_table"
#: Content that says where something was, and runs nowhere: the build's digest, and of a warning
#: its line.
_PLACES = frozenset((".notes", _BUGS))
#: Bytes of a struct bug_entry, without and with a format of what is said.  It begins with its
#: instruction's place from its own, and ends with the line and with what is done (BUGFLAG_ONCE), of
#: 2 bytes each.
_BUG_SIZES = (12, 16)
_ADDRESSES = 1 << 64
_SHORT_JUMPS = frozenset((0xEB, *range(0x70, 0x80)))
#: include/linux/syscalls.h, asm/syscall_wrapper.h: SYSCALL_DEFINE2(mlock, ...) makes these.
_SYSCALL = re.compile(r"^(?:__(?:do|se|x64|ia32)_)?sys_(?=\w)")
_NOT_ZERO = re.compile(rb"[^\0]")
#: From what an operand of 4 bytes counts, from its own place on.  An instruction's counts from its
#: end, which may be after an immediate of 1, 2 or 4 bytes more; the kernel's data from itself
#: (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS); None: it is an address, of which the upper half is 1s.
_FROM = (4, None, 0, 5, 6, 8)


@dataclass(frozen=True)
class Difference:
    """What is another in the second of two kernels.

    Attributes:
        same: All that is loaded is the same, byte for byte, but for what says where something
            was in the source.
        changed: Functions and data whose own content differs.  Strings and constants have no
            names: where one is another, that can be all there is.
        added: Those that the first has not.
        gone: Those that the second has not.
        elsewhere: Of all these, those whose own source is as it was: they inline, include or are
            inlined into what is another.
    """

    same: bool
    changed: tuple[Name, ...] = ()
    added: tuple[Name, ...] = ()
    gone: tuple[Name, ...] = ()
    elsewhere: tuple[Name, ...] = ()

    def told_apart(self, words: Collection[str]) -> Difference:
        """The same, with what is another though its own source is as it was.

        Args:
            words: The names in the source that are other, whatever else is among them.
        """
        every = (*self.changed, *self.added, *self.gone)
        return replace(self, elsewhere=tuple(name for name in every if _stem(name) not in words))

    @property
    def names(self) -> tuple[str, ...]:
        """All that is another, each name once."""
        return tuple(dict.fromkeys(each.name for each in (*self.changed, *self.added, *self.gone)))


def _stem(name: Name) -> str:
    """What a symbol is called in the source: without what the compiler or a macro makes of it."""
    return _SYSCALL.sub("", name.name.partition(".")[0])


def difference(base: Path, patched: Path) -> Difference:
    """In what two vmlinux differ.

    Raises:
        InfrastructureError: One cannot be read.
    """
    old, new = Image.read(base), Image.read(patched)
    if _is_same(old, new):
        return Difference(same=True)
    both = [name for name in old.by_name if name in new.by_name and _is_told(name)]
    return Difference(
        same=False,
        changed=tuple(name for name in both if _Pair.of(name, old, new).differs),
        added=tuple(name for name in new.by_name if name not in old.by_name and _is_told(name)),
        gone=tuple(name for name in old.by_name if name not in new.by_name and _is_told(name)),
    )


def is_same(base: Path, patched: Path) -> bool:
    """Whether two vmlinux run the same; much quicker than difference().

    Raises:
        InfrastructureError: One cannot be read.
    """
    return _is_same(Image.read(base), Image.read(patched))


def _is_told(name: Name) -> bool:
    return not name.name.startswith(_OF_ADDRESSES)


def _is_same(old: Image, new: Image) -> bool:
    """Whether nothing that runs differs, and nothing moved."""
    kept = [[each for each in image.sections if each.name not in _PLACES] for image in (old, new)]
    return kept[0] == kept[1] and _warn_alike(old, new)


def _warn_alike(old: Image, new: Image) -> bool:
    """Whether two kernels of the same code warn of the same, in whatever lines."""
    before, after = _bugs(old), _bugs(new)
    if before.content == after.content:
        return True
    if before.size != after.size:
        return False
    size = next((size for size in _BUG_SIZES if _has_entries(old, before, size)), 0)
    unlike = _exclusive_or(before.content, after.content)
    return size > 0 and all(
        found.start() % size in (size - 4, size - 3) for found in _NOT_ZERO.finditer(unlike)
    )


def _bugs(image: Image) -> Section:
    found = (each for each in image.sections if each.name == _BUGS)
    return next(found, Section(_BUGS, 0, 0, b""))


def _has_entries(image: Image, bugs: Section, size: int) -> bool:
    """Whether entries of a size would all be of code."""
    starts = range(0, bugs.size, size)
    return bugs.size % size == 0 and all(_is_of_code(image, bugs, start) for start in starts)


def _is_of_code(image: Image, bugs: Section, start: int) -> bool:
    offset = int.from_bytes(bugs.content[start : start + 4], "little", signed=True)
    section = image.section(bugs.address + start + offset)
    return section is not None and "text" in section.name


class _Side(NamedTuple):
    image: Image
    symbol: Symbol
    content: bytes

    @staticmethod
    def of(name: Name, image: Image) -> _Side:
        symbol = image.by_name[name]
        return _Side(image, symbol, image.content(symbol))

    def things(self, start: int, end: int, counted_from: int | None) -> frozenset[object]:
        """What an operand of its content may be the address of."""
        address = int.from_bytes(self.content[start:end], "little", signed=True)
        if counted_from is not None:
            address += self.symbol.address + start + counted_from
        return self.image.things(address % _ADDRESSES)


@dataclass(frozen=True)
class _Pair:
    """A symbol that both have."""

    old: _Side
    new: _Side

    @staticmethod
    def of(name: Name, old: Image, new: Image) -> _Pair:
        return _Pair(_Side.of(name, old), _Side.of(name, new))

    @property
    def differs(self) -> bool:
        before, after = self.old.content, self.new.content
        if self.old.symbol.size != self.new.symbol.size or len(before) != len(after):
            return True
        unlike = _exclusive_or(before, after)
        at = 0
        while place := _NOT_ZERO.search(unlike, at):
            end = self._operand_around(place.start())
            if end is None:
                return True
            at = end
        return False

    def _operand_around(self, at: int) -> int | None:
        """Where the address ends to which a byte that differs belongs; None where it has none."""
        is_code = self.old.symbol.is_function
        operands = _operands(at, len(self.old.content), is_code=is_code)
        for start, end, counted_from in chain(self._short_jump(at), operands):
            found = self.old.things(start, end, counted_from)
            if found and not found.isdisjoint(self.new.things(start, end, counted_from)):
                return end
        return None

    def _short_jump(self, at: int) -> Iterator[tuple[int, int, int | None]]:
        """To another function of the same file, less than 128 bytes off."""
        if self.old.content[max(at - 1, 0)] in _SHORT_JUMPS:
            yield at, at + 1, 1


def _exclusive_or(one: bytes, two: bytes) -> bytes:
    either = int.from_bytes(one, "little") ^ int.from_bytes(two, "little")
    return either.to_bytes(len(one), "little")


def _operands(at: int, length: int, *, is_code: bool) -> Iterator[tuple[int, int, int | None]]:
    """The places that an address over a byte may have, with what it counts from; likely ones first.

    Of an address that moved the lowest byte is another more often than not.
    """
    whole = [
        (start, start + 8, None) for start in range(at, at - 8, -1) if 0 <= start <= length - 8
    ]
    if not is_code:
        yield from whole
    for counted_from in _FROM:
        for start in range(at, at - 4, -1):
            if 0 <= start <= length - 4:
                yield start, start + 4, counted_from
    if is_code:
        yield from whole
