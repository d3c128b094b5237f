# SPDX-License-Identifier: GPL-2.0-only
"""What a build leaves for the lab to read: files of its own, and no way to others'.

A patch's Makefile can put a link to anything where a product is to be; the build in its
sandbox cannot follow it, but who reads it afterwards could.
"""

from __future__ import annotations

import stat
from pathlib import Path

from lab.errors import UserError

#: A vmlinux with all that a debugger wants has 1 GB.
_LARGEST = 4 << 30
#: Of a text: 6.1's .config with all that there is has 250 KB.
_LONGEST = 4 << 20


class NoProduct(UserError):
    """What lies where a product is to be is none."""


def is_product(objects: Path, name: str) -> bool:
    """Whether there is such a file, of the build's own."""
    path = objects / name
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
        return is_file and path.resolve().is_relative_to(objects.resolve())
    except (OSError, RuntimeError):  # a link to itself
        return False


def product(objects: Path, name: str, most: int = _LARGEST) -> Path:
    """The path of what was built; nothing may be building there any more.

    Args:
        most: Bytes.

    Raises:
        NoProduct: It is no file of the build's own, or one that no build makes.
    """
    path = objects / name
    if not is_product(objects, name):
        raise _none(path, "is no file of its own" if path.is_symlink() else "is no file")
    if path.stat().st_size > most:
        raise _none(path, f"has more than {most >> 20} MiB")
    return path


def read_product(objects: Path, name: str) -> str:
    """A product that is text; what is not UTF-8 in it is shown as such.

    Raises:
        NoProduct: As product() does.
    """
    return product(objects, name, _LONGEST).read_text(errors="backslashreplace")


def _none(path: Path, why: str) -> NoProduct:
    return NoProduct(
        f"the build was to make {path.name}, and that {why}",
        where=path,
        hint="a Makefile or script that a patch brings does it",
    )
