# SPDX-License-Identifier: GPL-2.0-only
"""Builds of labs before this one, which noted no digests of what they made."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab.arch import ARCH
from lab.process.seal import seal

#: Of a file that ends with its own CRC-32.
_WHOLE = 0xFFFFFFFF


def adopt(folder: Path, names: Iterable[str]) -> bool:
    """Seal a build whose kernel shows by itself that it is whole; whether it does.

    arch/x86/boot/tools/build.c put a CRC-32 at the end of each bzImage from 2.6.27 on, until
    6.16 went without.  A build of a newer kernel is made again, once.
    """
    try:
        whole = zlib.crc32((folder / ARCH.image).read_bytes()) == _WHOLE
    except OSError:
        return False
    if whole:
        with suppress(OSError):  # of a cache that cannot be written
            seal(folder, names)
    return whole
