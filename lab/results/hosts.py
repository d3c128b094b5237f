# SPDX-License-Identifier: GPL-2.0-only
"""``hosts.json`` of a run: what other hosts do for it now, for who looks at it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import InfrastructureError
from lab.process.stored import parse_stored
from lab.results.folder import write_json

#: How often it is written, in seconds.
EVERY_S = 2.0


@dataclass(frozen=True)
class Doing:
    """A host, what it is at, and what was heard of that last.

    Attributes:
        suites: How many suites, each on a filesystem, have a result there.
    """

    host: str
    what: str
    said: str
    suites: int = 0


@dataclass(frozen=True)
class _Hosts:
    rows: tuple[Doing, ...] = ()


def write_hosts(path: Path, rows: Iterable[Doing]) -> None:
    """Write it; raises InfrastructureError if that cannot be done."""
    write_json(path, asdict(_Hosts(tuple(rows))))


def read_hosts(path: Path) -> tuple[Doing, ...]:
    """What was written last; () where nothing is, or nothing that this lab can read."""
    with suppress(OSError, ValueError, InfrastructureError):
        return parse_stored(path.read_bytes(), _Hosts).rows
    return ()


@contextmanager
def shown(path: Path, rows: Callable[[], Iterable[Doing]]) -> Iterator[None]:
    """Keep what ``rows`` gives in a file for as long as the block lasts."""
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(path, rows, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
        # As below: a disk that cannot be written ends nothing.
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _tell(path: Path, rows: Callable[[], Iterable[Doing]], over: threading.Event) -> None:
    while not over.wait(EVERY_S):
        # Nobody may be looking: a disk that is full is told by what has to be kept.
        with suppress(InfrastructureError):
            write_hosts(path, rows())
