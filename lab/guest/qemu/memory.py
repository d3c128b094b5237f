# SPDX-License-Identifier: GPL-2.0-only
"""The memory of a guest that boots: files that only exist in the host's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from lab.guest.qemu.command_line import Hardware, Memory, ram_name
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
    with ExitStack() as stack:
        nvdimm = _sized(stack, "nvdimm", hardware.nvdimm)
        ram = tuple(
            _sized(stack, ram_name(node), size) for node, size in enumerate(hardware.node_sizes)
        )
        scratch = _sized(stack, "scratch", hardware.scratch)
        copy = stack.enter_context(memfd("image"))
        memory = Memory(
            nvdimm=f"/dev/fd/{nvdimm}",
            ram=tuple(f"/dev/fd/{one}" for one in ram) if savable else (),
            image="" if userland is None else str(userland.path),
            scratch=f"/dev/fd/{scratch}",
            descriptors=(nvdimm, scratch, *ram),
        )
        yield _with_copy(memory, userland, copy) if savable and userland else memory


def _sized(stack: ExitStack, name: str, size: int) -> int:
    descriptor = stack.enter_context(memfd(name))
    os.ftruncate(descriptor, size)
    return descriptor


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
