# SPDX-License-Identifier: GPL-2.0-only
"""A deadline for all that is said over a socket.

A socket's own timeout is for each read: a server that sends a byte now and then is waited
for as long as it likes.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType


class Cutoff:
    """Ends the connections it was told of after ``seconds``, in a ``with`` block.

    Attributes:
        passed: Whether it did: what a read gave then is no answer of the server's.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(max(seconds, 0.0), self._cut)
        self._timer.daemon = True

    def watch(self, connected: socket.socket) -> None:
        """End this connection too; TLS may be laid over it later."""
        # TLS takes the descriptor away from its socket: one of our own leads to the same
        # connection for as long as it is open.
        own = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._sockets.append(own)
            if self.passed:
                _end(own)

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            for each in self._sockets:
                _end(each)

    def __enter__(self) -> Cutoff:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()


def _end(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
