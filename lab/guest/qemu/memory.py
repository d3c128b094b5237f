# SPDX-License-Identifier: GPL-2.0-only
"""The memory of a guest that boots: files that only exist in the host's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lab.guest.qemu.command_line import Hardware, Memory
from lab.process.sparse import copy_sparse
from lab.userland.userland import Userland


@contextmanager
def own_memory(
    hardware: Hardware, savable: bool, userland: Userland | None = None
) -> Iterator[Memory]:
    """The memory of a guest that boots: the NVDIMM's backing is in memory, and as big as it says.

    On a disk, each first write to a page of it costs a block allocation (0.3 s for
    a mkfs), a full disk kills QEMU, and a kill -9 leaves it there.
    """
    with (
        memfd("nvdimm") as nvdimm,
        memfd("ram") as ram,
        memfd("scratch") as scratch,
        memfd("image") as copy,
    ):
        os.ftruncate(nvdimm, hardware.nvdimm)
        os.ftruncate(scratch, hardware.scratch)
        os.ftruncate(ram, hardware.ram)
        memory = Memory(
            nvdimm=f"/dev/fd/{nvdimm}",
            ram=f"/dev/fd/{ram}" if savable else None,
            image="" if userland is None else str(userland.path),
            scratch=f"/dev/fd/{scratch}",
            descriptors=(nvdimm, ram, scratch),
        )
        yield _with_copy(memory, userland, copy) if savable and userland else memory


def _with_copy(memory: Memory, userland: Userland, copy: int) -> Memory:
    """The same with a copy of the image: what QEMU is to leave out of a state it must share."""
    with userland.path.open("rb") as source:
        copy_sparse(source.fileno(), copy)
    descriptors = (*memory.descriptors, copy)
    return replace(memory, image=f"/dev/fd/{copy}", copied=True, descriptors=descriptors)


@contextmanager
def memfd(name: str) -> Iterator[int]:
    """A file in memory, gone with its last user."""
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
