# SPDX-License-Identifier: GPL-2.0-only
"""Where there is room for one job more, as far as is known where the others are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from lab.execution.cluster.host import HostFacts
from lab.execution.cluster.needs import slots


class Rooms:
    """As of a moment."""

    def __init__(
        self, hosts: Mapping[str, HostFacts], needs: Mapping[str, float], taken: Iterable[str]
    ) -> None:
        """Count.

        Args:
            hosts: By worker.
            needs: What a job asks of one.
            taken: The worker of each job that is sent, where that is known.
        """
        self._hosts, self._needs, self._taken = hosts, needs, Counter(taken)
        self._workers: defaultdict[str, list[str]] = defaultdict(list)
        for worker, facts in hosts.items():
            self._workers[facts.name].append(worker)

    def is_there(self, host: str) -> bool:
        """Whether a host has any worker."""
        return host in self._workers

    def has_on(self, host: str) -> bool:
        """Whether a worker on a host has room for one more."""
        return self.is_there(host) and any(map(self.has, self._workers[host]))

    def has(self, worker: str) -> bool:
        """Whether a worker has room for one more; one that is gone has none."""
        facts = self._hosts.get(worker)
        return facts is not None and self._taken[worker] < slots(self._needs, facts)
