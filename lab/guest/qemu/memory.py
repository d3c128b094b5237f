# SPDX-License-Identifier: GPL-2.0-only
"""The memory of a guest that boots: files that only exist in the host's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lab.guest.qemu.command_line import Hardware, Memory


@contextmanager
def own_memory(hardware: Hardware, savable: bool) -> Iterator[Memory]:
    """The memory of a guest that boots: the NVDIMM's backing is in memory, and as big as it says.

    On a disk, each first write to a page of it costs a block allocation (0.3 s for
    a mkfs), a full disk kills QEMU, and a kill -9 leaves it there.
    """
    with memfd("nvdimm") as nvdimm, memfd("ram") as ram:
        os.ftruncate(nvdimm, hardware.nvdimm)
        os.ftruncate(ram, hardware.ram)
        yield Memory(
            nvdimm=f"/dev/fd/{nvdimm}",
            ram=f"/dev/fd/{ram}" if savable else None,
            descriptors=(nvdimm, ram),
        )


@contextmanager
def memfd(name: str) -> Iterator[int]:
    """A file in memory, gone with its last user."""
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
