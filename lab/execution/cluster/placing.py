# SPDX-License-Identifier: GPL-2.0-only
"""Which worker makes which build: where its like was made, which is a step from there."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from lab.execution.cluster.host import BUILD, HostFacts

#: Kernels that are built on each other's objects: a tree's family, and a config's digest.
Family = tuple[str, str]
#: So many wait for one worker's objects.  A build on these takes 9 s and one from nothing 366 (6.1
#: on two CPUs): twice as many are as quick.
_STEPS = 20


class Placing:
    """Builds and who makes them, for any thread.

    A build without its like anywhere waits here until a worker has room: one that was sent to a
    worker stays with it, however long that takes and whoever is free meanwhile.
    """

    def __init__(self) -> None:
        self._pending: Counter[str] = Counter()
        self._homes: defaultdict[Family, set[str]] = defaultdict(set)
        self._room = threading.Condition()

    def take(self, family: Family, hosts: Mapping[str, HostFacts], wait_s: float) -> str | None:
        """A worker that is to make one more, until leave(); None where none has room for so long.

        Args:
            hosts: Those that could.
        """
        until = time.monotonic() + wait_s
        with self._room:
            while (worker := self._best(family, hosts)) is None:
                if not self._room.wait(until - time.monotonic()):
                    return None
            self._pending[worker] += 1
            self._homes[family].add(worker)
            return worker

    def leave(self, worker: str) -> None:
        """Note that a worker makes one less."""
        with self._room:
            self._pending[worker] -= 1
            self._room.notify_all()

    def _best(self, family: Family, hosts: Mapping[str, HostFacts]) -> str | None:
        homes: Collection[str] = self._homes[family] & hosts.keys()
        home = min(homes, key=self._pending.__getitem__, default=None)
        if home is not None and self._pending[home] < _STEPS * hosts[home].offers[BUILD]:
            return home
        free = [one for one in hosts if self._pending[one] < hosts[one].offers[BUILD]]
        return min(free, key=self._pending.__getitem__, default=None)
