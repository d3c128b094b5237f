# SPDX-License-Identifier: GPL-2.0-only
"""Functions of a linked kernel as instructions, and where their branches go."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lab.process import run

_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(?:bnd |notrack |data16 )*(\w+)(?:,p[nt])?\s*(\S*)")
_TARGET = re.compile(r"^(?:0x)?([0-9a-f]+)$")
#: Of x86: conditional ones, and what nothing runs after that stands behind it.
_BRANCH = re.compile(r"j(?!mp)[a-z]+$|loop\w*$")
_END = re.compile(r"jmp[a-z]*$|ret[a-z]*$|iret[a-z]*$|ud[12]$|hlt$|sysret\w*$")
#: One instruction to a program, and as many as it repeats to whoever counts.
_REPEATED = re.compile(r"rep(?:n?[ez])?$")
_DEADLINE_S = 120.0


class Instruction(NamedTuple):
    """``target`` is where a direct jump or a conditional branch goes, else None."""

    address: int
    word: str
    target: int | None

    @property
    def branches(self) -> bool:
        """Whether what comes next depends on a condition."""
        return _BRANCH.match(self.word) is not None

    @property
    def ends(self) -> bool:
        """Whether what stands behind it does not come next."""
        return _END.match(self.word) is not None

    @property
    def repeats(self) -> bool:
        """Whether it runs as often as it repeats what it does."""
        return _REPEATED.match(self.word) is not None


class Edge(NamedTuple):
    """A way that a conditional branch can go: from its instruction to the next."""

    start: int
    end: int


@dataclass(frozen=True)
class Code:
    """A function's instructions, in order."""

    instructions: tuple[Instruction, ...]

    @cached_property
    def leaders(self) -> tuple[int, ...]:
        """Addresses where a straight run of instructions begins."""
        found = {self.instructions[0].address} if self.instructions else set()
        for one, following in zip(self.instructions, self.instructions[1:], strict=False):
            if one.branches or one.ends:
                found.add(following.address)
        inside = {one.address for one in self.instructions}
        found.update(
            one.target
            for one in self.instructions
            if one.target in inside and (one.branches or one.ends) and one.target is not None
        )
        return tuple(sorted(found))

    def block_of(self, address: int) -> int:
        """The first address of the straight run that an instruction is in."""
        at = bisect_right(self.leaders, address) - 1
        return self.leaders[at] if at >= 0 else address

    def once(self, address: int) -> int:
        """Where is counted how often control comes to an instruction.

        Of one that repeats that is its neighbour's in the same straight run, where it has one.
        """
        at = bisect_right(self.instructions, address, key=lambda one: one.address) - 1
        if at < 0 or not self.instructions[at].repeats:
            return address
        block = self.block_of(address)
        for other in self.instructions[max(at - 1, 0) : at + 2]:
            if not other.repeats and self.block_of(other.address) == block:
                return other.address
        return address

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """The ways of all conditional branches."""
        return tuple(self._edges())

    def _edges(self) -> Iterator[Edge]:
        inside = {one.address for one in self.instructions}
        for one, following in zip(self.instructions, self.instructions[1:], strict=False):
            if one.branches:
                yield Edge(one.address, following.address)
                if one.target in inside and one.target != following.address:
                    assert one.target is not None
                    yield Edge(one.address, one.target)


def read_code(vmlinux: Path, start: int, size: int) -> Code:
    """A function of a kernel.

    Raises:
        InfrastructureError: objdump is not installed, or cannot read it.
    """
    command: Sequence[str | Path] = [
        "objdump",
        "--disassemble",
        "--no-show-raw-insn",
        f"--start-address={start:#x}",
        f"--stop-address={start + size:#x}",
        vmlinux,
    ]
    return parse_code(run(command, timeout=_DEADLINE_S).stdout, range(start, start + size))


def parse_code(said: str, within: Collection[int]) -> Code:
    """What objdump said of a function."""
    found = []
    for line in said.splitlines():
        if match := _INSTRUCTION.match(line):
            address, word = int(match[1], 16), match[2]
            is_jump = _BRANCH.match(word) or _END.match(word)
            target = _TARGET.match(match[3]) if is_jump else None
            if address in within:
                found.append(Instruction(address, word, int(target[1], 16) if target else None))
    return Code(tuple(found))
