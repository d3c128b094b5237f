# SPDX-License-Identifier: GPL-2.0-only
"""Where in the source a frame is, from a build's System.map and vmlinux."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lab.complaints.complaint import Frame

#: Paths in debug information begin with wherever it was built.
_IN_TREE = re.compile(
    r"(?:^|/)((?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net"
    r"|rust|samples|security|sound|usr|virt)/.*)"
)
_ANSWER = re.compile(r"(?P<file>.+):(?P<line>\d+)(?: \(discriminator \d+\))?")
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Symbols:
    """A build's folder: ``System.map``, and ``vmlinux`` with or without debug information."""

    folder: Path

    def locate(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        """The frames, with file and line where they can be told for sure.

        A name that several functions of one size bear is left alone.
        """
        frames = tuple(frames)
        wanted = {frame: self._address(frame) for frame in frames}
        places = self._places({address for address in wanted.values() if address is not None})
        return tuple(_placed(frame, places.get(wanted[frame] or -1)) for frame in frames)

    @cached_property
    def has_lines(self) -> bool:
        """Whether ``vmlinux`` has line numbers (CONFIG_DEBUG_INFO)."""
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        try:
            with (self.folder / "vmlinux").open("rb") as stream:
                return ELFFile(stream).get_section_by_name(".debug_line") is not None
        except (OSError, ELFError):
            return False

    @cached_property
    def _functions(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Addresses and sizes by name; a size is the way to the next symbol, as kallsyms has it."""
        try:
            rows = [line.split() for line in (self.folder / "System.map").open()]
        except OSError:
            return {}
        named = [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tTwW"]
        addresses = sorted({int(row[0], 16) for row in rows if len(row) == 3})
        found = defaultdict(list)
        for address, name in named:
            following = bisect_right(addresses, address)
            end = addresses[following] if following < len(addresses) else address
            found[name].append((address, end - address))
        return {name: tuple(places) for name, places in found.items()}

    def _address(self, frame: Frame) -> int | None:
        places = self._functions.get(frame.function, ())
        if len(places) > 1:
            places = tuple(place for place in places if place[1] == frame.size)
        if frame.module or len(places) != 1:
            return None
        # A return address is that of the instruction after the call.
        return places[0][0] + frame.offset - (1 if frame.returns and frame.offset else 0)

    def _places(self, addresses: set[int]) -> dict[int, tuple[str, int]]:
        """File and line by address; empty without debug information or addr2line."""
        from lab.errors import LabError
        from lab.process import run

        if not addresses or not self.has_lines:
            return {}
        asked = sorted(addresses)
        command = ["addr2line", "-e", str(self.folder / "vmlinux"), *map(hex, asked)]
        try:
            answers = run(command, timeout=_DEADLINE_S).stdout.splitlines()
        except (LabError, OSError):
            return {}
        read = zip(asked, map(_read, answers), strict=False)
        return {address: place for address, place in read if place is not None}


def _read(answer: str) -> tuple[str, int] | None:
    match = _ANSWER.fullmatch(answer.strip())
    if match is None or match["file"].startswith("?") or match["line"] == "0":
        return None
    return in_tree(match["file"]), int(match["line"])


def in_tree(path: str) -> str:
    """A source file's path below the kernel's top folder, however it is spelled."""
    path = path.rpartition("/src/")[2] if "/workbenches/" in path else path
    match = _IN_TREE.search(path)
    return match[1] if match else path


def _placed(frame: Frame, place: tuple[str, int] | None) -> Frame:
    return replace(frame, file=place[0], line=place[1]) if place else frame
