# SPDX-License-Identifier: GPL-2.0-only
"""What each host is at, while a run's jobs are on others and leave nothing here yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from lab.model.records import TestResult
from lab.results.hosts import Doing, shown


@dataclass
class _Row:
    host: str
    what: str
    said: str = "booting"
    suites: set[tuple[str, str]] = field(default_factory=set)

    @property
    def doing(self) -> Doing:
        return Doing(self.host, self.what, self.said, len(self.suites))


class Board:
    """Jobs that were begun elsewhere and have no record yet, by number; for any thread."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._lock = threading.Lock()

    def begin(self, number: int, host: str, what: str) -> None:
        """Note that a host is at a job, whichever was before."""
        with self._lock:
            self._rows[number] = _Row(host, what)

    def hear(self, number: int, said: TestResult | str) -> None:
        """Note what was heard of a job."""
        with self._lock:
            if (row := self._rows.get(number)) is None:
                return
            if isinstance(said, TestResult):
                row.suites.add((said.filesystem, said.suite))
                said = f"{said.filesystem} {said.suite} {said.test} {said.status}"
            row.said = said

    def end(self, number: int) -> None:
        """Nobody is at that job any more."""
        with self._lock:
            self._rows.pop(number, None)

    @property
    def rows(self) -> tuple[Doing, ...]:
        """What is on it, by number."""
        with self._lock:
            return tuple(self._rows[number].doing for number in sorted(self._rows))

    def shown(
        self, path: Path, more: Callable[[], Iterable[Doing]]
    ) -> AbstractContextManager[None]:
        """Keep it in a file, with ``more``, for as long as the block lasts."""
        return shown(path, lambda: (*self.rows, *more()))
