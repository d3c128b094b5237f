# SPDX-License-Identifier: GPL-2.0-only
"""What is built for a run that is to come: nothing else tells of it before that begins."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.results.hosts import EVERY_S, Doing, read_hosts, shown

#: What a lab that was killed left tells of nothing any more; of a busy host one may be late.
_SILENT_S = 15 * EVERY_S


def _folder(results: Path) -> Path:
    return results / "building"


@contextmanager
def building_shown(results: Path, rows: Callable[[], Iterable[Doing]]) -> Iterator[None]:
    """Tell whoever looks at the results what is built, for as long as the block lasts.

    Args:
        rows: What is built now, and where.
    """
    for path in _folder(results).glob("*.json"):
        if not _is_new(path):
            with suppress(OSError):
                path.unlink()
    name = f"{os.getpid()}-{secrets.token_hex(3)}.json"
    with shown(_folder(results) / name, rows):
        yield


def being_built(results: Path) -> tuple[Doing, ...]:
    """What any lab of a project builds for a run that is to come."""
    found = sorted(path for path in _folder(results).glob("*.json") if _is_new(path))
    return tuple(row for path in found for row in read_hosts(path))


def _is_new(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _SILENT_S
    except OSError:
        return False
