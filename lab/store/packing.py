# SPDX-License-Identifier: GPL-2.0-only
"""Files packed by zstd(1), and unpacked to no more than they were."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from lab.errors import InfrastructureError
from lab.host import need_tool
from lab.process import run, spawn

#: Of 21 MB of vmlinux, 19 takes 8 s for a tenth less.
_LEVEL = "-6"
_DEADLINE_S = 600.0
#: zstd's own default, said: a frame may ask for more to unpack it.
_MEMORY = "--memory=128MB"
_CHUNK = 1 << 20


def require_zstd() -> None:
    """Raise InfrastructureError where there is none."""
    need_tool("zstd")


def pack(source: Path, target: Path) -> None:
    """Pack a file; the same file gives the same bytes for one version of zstd."""
    words = ["zstd", "-q", _LEVEL, "-T0", "-f", str(source), "-o", str(target)]
    run(words, timeout=_DEADLINE_S)


def unpack(source: Path, target: Path, size: int, sha256: str) -> None:
    """Unpack a file.

    Raises:
        ValueError: It has not that size or digest; no more than that is written.
        InfrastructureError: It is damaged.
    """
    digest, left = hashlib.sha256(), size
    words = ["zstd", "-q", "-dc", _MEMORY, "--", str(source)]
    with spawn(words, stdout=subprocess.PIPE) as child, target.open("wb") as file:
        while piece := child.stdout.read(_CHUNK):
            left -= len(piece)
            if left < 0:
                raise ValueError(f"it has more than {size} bytes")
            digest.update(piece)
            file.write(piece)
        status = child.wait()
    if status != 0:
        raise InfrastructureError(f"zstd ended with status {status}", where=source)
    if left or digest.hexdigest() != sha256:
        raise ValueError("it is not what was packed")
