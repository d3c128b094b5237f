# SPDX-License-Identifier: GPL-2.0-only
"""What a build that is in no sandbox wrote into its source.

Nothing that writes to a file can keep its ctime (inode(7)): what is younger than the build
is read, and compared with what it is to be.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.process import ProcessFlood, run
from lab.trees import Rows, blob_digest, entry_of

_SYMLINK = 0o120000
#: The kernel's time stamps lag behind its clock by a tick, 10 ms at most.
_TICK_NS = 50_000_000
_DEADLINE_S = 300.0


def written(source: Path, wanted: Rows, since_ns: int) -> list[str]:
    """Paths in ``source`` that are not what they should be, changed since then.

    Args:
        wanted: What it should hold; rows whose content nobody knows are passed over.
        since_ns: ``time.time_ns()`` before the build began.
    """
    try:
        young = dict(_younger(source, (since_ns - _TICK_NS) / 1e9))
    except ProcessFlood:
        return ["more files than can be named"]
    bad = [path for path, kind in young.items() if kind != "d" and not _is(source, path, wanted)]
    # A file that went leaves no trace but in its folder.
    if "d" in young.values():
        bad += [path for path in wanted if not os.path.lexists(f"{source}/{path}")]
    return sorted(set(bad))


def _younger(source: Path, since: float) -> Iterator[tuple[str, str]]:
    """Path and kind (find(1), %y) of what changed since then: four times as fast as Python."""
    command: list[str | Path] = ["find", source, "-newerct", f"@{since:.3f}", "-printf", r"%y %P\0"]
    for row in run(command, timeout=_DEADLINE_S).stdout.split("\0"):
        kind, _, path = row.partition(" ")
        if path:
            yield path, kind


def _is(source: Path, path: str, wanted: Mapping[str, str]) -> bool:
    row = wanted.get(path)
    if row is None:
        return False
    entry = entry_of(row)
    name = f"{source}/{path}"
    try:
        mode = os.lstat(name).st_mode
        link = stat.S_ISLNK(mode)
        if not (link or stat.S_ISREG(mode)):
            return False  # a FIFO would be read for ever
        content = os.fsencode(os.readlink(name)) if link else Path(name).read_bytes()  # noqa: PTH115
    except OSError:
        return False
    # The exec bit is not looked at: a workbench gives scripts theirs back.
    return link == (entry.mode == _SYMLINK) and blob_digest(content) == entry.digest
