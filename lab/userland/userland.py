# SPDX-License-Identifier: GPL-2.0-only
"""A root filesystem of ``[images.X]``: a file of the cache, which a guest has as an NVDIMM.

QEMU maps it privately: what a guest writes there is its own, and gone with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.process.cache_use import note_use
from lab.process.seal import damage, sealed_digests
from lab.process.stored import read_stored

FILE = "root.ext2"
#: What is known of it beside it: Known.
KNOWN = "image.json"
#: By which a guest finds the device: s_volume_name of ext2's superblock, 16 bytes at most.
LABEL = "lab-image"
#: Namespaces of old kernels collide otherwise (pmem/ndctl#28).
ALIGNMENT = 128 << 20


@dataclass(frozen=True)
class Userland:
    """A filesystem that is made.

    Attributes:
        name: As ``lab.toml`` calls it.
        digest: SHA-256 of its file, in hexadecimal.
        size: Bytes.
    """

    name: str
    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Known:
    """What was written, as stat(2) has it, and of which packages it is.

    Attributes:
        stamp: Size, inode and times of last change, in nanoseconds.
        packages: ``NAME VERSION``, all that are installed there.
    """

    stamp: tuple[int, int, int, int]
    packages: tuple[str, ...]


def find_userland(name: str, folder: Path) -> Userland | None:
    """The one in a folder of the cache; None where there is none, or it was damaged."""
    path = folder / FILE
    known = read_stored(folder / KNOWN, Known)
    digest = sealed_digests(folder).get(FILE)
    if known is None or digest is None or not path.is_file():
        return None
    # Half a gigabyte is read again only where something has touched it since.
    if stamp_of(path) != known.stamp and damage(folder, [FILE]):
        return None
    note_use(folder)
    return Userland(name, path, digest, known.stamp[0])


def stamp_of(path: Path) -> tuple[int, int, int, int]:
    """What changes when a file does."""
    status = path.stat()
    return (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
