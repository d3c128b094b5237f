# SPDX-License-Identifier: GPL-2.0-only
"""Where a machine's persistent memory comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.arch import ARCH
from lab.arch.architecture import Pmem
from lab.errors import UserError
from lab.features import has
from lab.model.version import KernelVersion

_FOUR_GIB = 4 << 30
#: The memory that both pc and q35 can have below the hole that ends at 4 GiB
#: (QEMU's hw/i386/pc_piix.c and pc_q35.c).
_MOST_LOW = 2 << 30
#: Old kernels hotplug memory in sections of 128 MiB (arch/x86's SECTION_SIZE_BITS).
_SECTION = 128 << 20


def choose_pmem(asked: Literal["auto"] | Pmem, version: KernelVersion) -> Pmem:
    """The persistent memory that a kernel of ``version`` has a driver for.

    It is a machine's own choice, kept, unless that is ``auto``.

    Raises:
        UserError: The architecture has no such memory.
    """
    kinds = list(ARCH.pmem)
    if asked == "auto":
        return next((kind for kind in kinds if has(version, ARCH.pmem[kind][0])), kinds[-1])
    if asked not in kinds:
        raise UserError(
            f"{ARCH.name} has no persistent memory of the kind {asked}",
            where="pmem, in a table of [machines]",
            hint=f"one of {', '.join(['auto', *kinds])}",
        )
    return asked


@dataclass(frozen=True)
class MemMap:
    """RAM beside the machine's own that ``memmap=`` calls persistent; sizes in bytes.

    It lies above 4 GiB, where no machine has a hole: QEMU is told to put no more
    than ``low`` below that.
    """

    memory: int
    size: int

    @property
    def low(self) -> int:
        """RAM below 4 GiB."""
        return min(self.memory, _MOST_LOW)

    @property
    def start(self) -> int:
        """The physical address at which the persistent memory starts, section-aligned."""
        high = self.memory - self.low
        return _FOUR_GIB + -(-high // _SECTION) * _SECTION

    @property
    def ram(self) -> int:
        """All RAM of the machine, the persistent part included."""
        return self.low + self.start - _FOUR_GIB + self.size

    @property
    def argument(self) -> str:
        """For the kernel's command line: Documentation/admin-guide/kernel-parameters.txt."""
        return f"memmap={self.size >> 20}M!{self.start:#x}"
