# SPDX-License-Identifier: GPL-2.0-only
"""Where in the source a frame is, from a build's System.map and vmlinux."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from lab.errors import LabError
from lab.model.complaint import Frame
from lab.process import run
from lab.process.seal import damage, sealed_digests
from lab.store.left_there import vmlinux_of
from lab.store.note import VMLINUX, is_left

#: Paths in debug information begin with wherever it was built.
_IN_TREE = re.compile(
    r"(?:^|/)((?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net"
    r"|rust|samples|security|sound|usr|virt)/.*)"
)
_ANSWER = re.compile(r"(?P<file>.+):(?P<line>\d+)(?: \(discriminator \d+\))?")
_DEADLINE_S = 60.0
_BATCH = 5000


@dataclass(frozen=True)
class Symbols:
    """A build's folder: ``System.map``, and ``vmlinux`` with or without debug information."""

    folder: Path

    def locate(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        """The frames, with file and line where they can be told for sure.

        A name that several functions of one size bear is left alone.
        """
        return self.locate_all([tuple(frames)])[0]

    def locate_all(self, stacks: Sequence[Sequence[Frame]]) -> list[tuple[Frame, ...]]:
        """As locate(), for many stacks: addr2line takes longer to start than to answer."""
        wanted = {frame: self._address(frame) for frames in stacks for frame in frames}
        asked = {address for address in wanted.values() if address is not None}
        self._ask(sorted(asked - self._known.keys()))
        return [
            tuple(_placed(frame, self._known.get(wanted[frame] or -1)) for frame in frames)
            for frames in stacks
        ]

    @cached_property
    def _known(self) -> dict[int, tuple[str, int] | None]:
        """File and line by address, as far as somebody asked."""
        return {}

    @cached_property
    def has_lines(self) -> bool:
        """Whether ``vmlinux`` has line numbers (CONFIG_DEBUG_INFO)."""
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        if is_left(self.folder, VMLINUX) and not self._may_have_lines:
            return False  # 20 MB that would say no more
        vmlinux_of(self.folder)
        if "vmlinux" in sealed_digests(self.folder) and damage(self.folder, ["vmlinux"]):
            # Lines that are not so are worse than none; the next build makes it again.
            with suppress(OSError):
                (self.folder / "vmlinux").unlink(missing_ok=True)
            return False
        try:
            with (self.folder / "vmlinux").open("rb") as stream:
                return ELFFile(stream).get_section_by_name(".debug_line") is not None
        except (OSError, ELFError):
            return False

    @property
    def _may_have_lines(self) -> bool:
        """Whether its config asks for them, as far as that can be read."""
        try:
            return "\nCONFIG_DEBUG_INFO=y\n" in (self.folder / "config").read_text()
        except OSError:
            return True

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

    def _ask(self, addresses: Sequence[int]) -> None:
        """Learn file and line of addresses; nothing without debug information or addr2line."""
        if not addresses or not self.has_lines:
            return
        command = ["addr2line", "-e", str(self.folder / "vmlinux")]
        # In batches: a command line has its limit.
        for start in range(0, len(addresses), _BATCH):
            batch = addresses[start : start + _BATCH]
            try:
                said = run([*command, *map(hex, batch)], timeout=_DEADLINE_S).stdout
            except (LabError, OSError):
                return
            self._known.update(zip(batch, map(_read, said.splitlines()), strict=False))


@lru_cache(maxsize=4)
def symbols_of(folder: Path) -> Symbols:
    """The build's in that folder, with all that was asked of it before: guests share it."""
    return Symbols(folder)


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
