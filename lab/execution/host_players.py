# SPDX-License-Identifier: GPL-2.0-only
"""Who plays the tests of a job that run on this host."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from lab.suites.on_host import OnHost, Players


class HostPlayers:
    """Who plays a job's tests on this host, each kind's from its first test to the job's end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._players: dict[OnHost, Players] = {}

    def of(self, kind: OnHost) -> Players:
        """Those for a kind of suite."""
        if kind not in self._players:
            self._players[kind] = self._stack.enter_context(kind.players())
        return self._players[kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
