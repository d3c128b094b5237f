# SPDX-License-Identifier: GPL-2.0-only
"""What the lab has to know of an architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: Persistent memory of a guest's: an NVDIMM, a device of virtio's, or RAM that ``memmap=`` sets
#: apart.
Pmem = Literal["nvdimm", "virtio-pmem", "memmap"]


@dataclass(frozen=True)
class Architecture:
    """All that differs between architectures, in one place.

    Attributes:
        name: As ``uname -m`` and KCIDB have it.
        source: Its folder below ``arch/`` in a kernel's source.
        image: The target of ``make`` that a bootloader, or QEMU, can load.
        image_path: Where kbuild leaves that.
        qemu: The program that has such machines.
        packages: What brings that, by package manager: ``apt``, ``dnf``.
        machines: Types of machines that QEMU has: the simplest first, last what guests have.
        cpus: QEMU's ``-cpu`` under each accelerator.
        plain_cpu: The one that nothing was taken from, for a guest that only shows that it runs.
        console: The value of ``console=``.
        arguments: More of the kernel's command line: a panic or an oops becomes QEMU's exit.
        without: What of a machine nobody needs, by the beginning of its type.
        libraries: Where its dynamic linker looks, the cache apart (ld.so(8)).
        pmem: Kinds of persistent memory, the best first, each with its driver (a feature of
            lab.features) and the option that brings it.
        marks: The serial port that has a guest's own words: its device, major and minor number.
        reset: How QEMU begins, with ``-d cpu_reset``, when a CPU gave up; "" where none does.
        has_tsc: Whether a guest under TCG has this host's time stamp counter for its clock.
    """

    name: str
    source: str
    image: str
    image_path: str
    qemu: str
    packages: Mapping[str, str]
    machines: tuple[str, ...]
    cpus: Mapping[str, str]
    plain_cpu: str
    console: str
    arguments: str
    without: Mapping[str, str]
    libraries: tuple[str, ...]
    pmem: Mapping[Pmem, tuple[str, str]]
    marks: tuple[str, int, int]
    reset: str = ""
    has_tsc: bool = False

    def machine_without(self, machine: str) -> str:
        """What ``-machine`` is told that such a machine need not have; ``""`` for nothing."""
        return next((said for begin, said in self.without.items() if machine.startswith(begin)), "")
