# SPDX-License-Identifier: GPL-2.0-only
"""What a host carries: how many builds and guests side by side, and how busy they make it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: So many for each variant that is built beside others.
_CPUS_PER_BUILD = 2
#: Each may be a whole kernel, with a compiler of 100 MB a CPU.
_MOST_BUILDS = 4
#: From so many on guests run while variants are built.  On two, of two pairs of three variants,
#: two of them to be built, one took 0.59 of the time of builds first and the other 1.30.
_CPUS_FOR_BOTH = 4


@dataclass(frozen=True)
class Capacity:
    """CPUs, and bytes of memory that can be had; 0 where nobody said how many at once.

    Attributes:
        builds, guests: How many at once somebody asked for.
    """

    cpus: int
    memory: int
    builds: int = 0
    guests: int = 0

    @classmethod
    def of_this_host(cls, builds: int = 0, guests: int = 0) -> Capacity:
        """What this process may use, now."""
        return cls(_cpus(), _available_memory(), builds, guests)

    @property
    def builds_at_once(self) -> int:
        """How many variants are built side by side.

        Most of a variant's build is its link, on one CPU.  Two builds on two CPUs took 0.77 of
        the time of one after the other, but 1.07 when the second workbench had to be copied.
        """
        return self.builds or max(1, min(self.cpus // _CPUS_PER_BUILD, _MOST_BUILDS))

    @property
    def builds_beside_guests(self) -> bool:
        """Whether guests of what is built already run while the rest is built."""
        return self.cpus >= _CPUS_FOR_BOTH

    def guests_at_once(self, cpus: int, memory: int) -> int:
        """How many guests run side by side, of so many CPUs and bytes at most each."""
        return self.guests or max(1, min(self.cpus // cpus, self.memory // memory))

    def carries(self, guests: int, memory: int) -> bool:
        """Whether there is memory for so many guests of so many bytes."""
        return guests * memory <= self.memory

    def load(self, cpus: int) -> float:
        """How many times slower each is, at most, where so many CPUs are wanted."""
        return max(1.0, cpus / self.cpus)


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _available_memory() -> int:
    """Bytes that can be had without swapping (proc(5), MemAvailable)."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
