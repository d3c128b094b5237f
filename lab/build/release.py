# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel calls itself: ``uname -r``."""

from __future__ import annotations

import re
from pathlib import Path

from lab.build.product import read_product
from lab.errors import UserError
from lab.model.version import KernelVersion

#: Words of a file's name, as it is one of /lib/modules; 64 bytes are all that uname(2) gives.
_RELEASE = re.compile(r"\d[A-Za-z0-9._+~@-]{0,63}")


def read_release(objects: Path) -> str:
    """The release of the kernel that was built in ``objects``.

    Raises:
        UserError: What the kernel's Makefiles made of it is none.
    """
    name = "include/config/kernel.release"
    return checked_release(read_product(objects, name).strip(), where=objects / name)


def checked_release(release: object, where: Path | None = None) -> str:
    """The same text, when it is a release.

    Raises:
        UserError: It is none: guests, features and scripts go by it.
    """
    if isinstance(release, str) and _RELEASE.fullmatch(release):
        try:
            KernelVersion.of_release(release)
            return release
        except ValueError:
            pass
    raise UserError(
        f"the kernel calls itself {release!r}, which is no release",
        where=where,
        hint="VERSION, PATCHLEVEL and EXTRAVERSION of its Makefile, and its localversion files",
    )
