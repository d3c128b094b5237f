# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong with the disk, said as such."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import InfrastructureError, LabError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAID_FULL = re.compile(r"No space left on device|Disk quota exceeded|enough free space")
#: 6.1 unpacked, and its package beside it.
_NEEDED = "about 2 GB"


@contextmanager
def storage_errors(cache: Path, name: str) -> Iterator[None]:
    """Turn what the disk refuses, here or to a child, into InfrastructureError."""
    try:
        yield
    except LabError as error:
        if error.detail and _SAID_FULL.search(error.detail):
            raise _full(cache, name) from error
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise _full(cache, name) from error
        raise InfrastructureError(
            f"cannot bring {name} in: {error.strerror}",
            where=error.filename or cache,
            hint="paths.cache in lab.local.toml, should the cache be elsewhere",
        ) from error


def _full(cache: Path, name: str) -> InfrastructureError:
    free = shutil.disk_usage(cache).free / 1e6
    return InfrastructureError(
        f"no space left for {name}: a kernel's source takes {_NEEDED}, {free:.0f} MB are free",
        where=cache,
        hint="lab gc, or another paths.cache in lab.local.toml",
    )
