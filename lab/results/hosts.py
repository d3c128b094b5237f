# SPDX-License-Identifier: GPL-2.0-only
"""``hosts.json`` of a run: what other hosts do for it now, for who looks at it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import InfrastructureError
from lab.process.stored import parse_stored
from lab.results.folder import write_json


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
