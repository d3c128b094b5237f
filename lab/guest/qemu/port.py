# SPDX-License-Identifier: GPL-2.0-only
"""The lab's end of one of a guest's SSH ports, a socket that Paramiko takes.

A port of virtio-serial has no end-of-file for the host when the guest's program closes it
(QEMU's hw/char/virtio-console.c); the guest's init says so on its second serial port.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress

from lab.errors import InfrastructureError

_LAST_WORDS_S = 0.05


class NoPort(InfrastructureError):
    """The guest can have no more SSH connections."""


class Port(socket.socket):
    """A stream to a guest's SSH server.

    Args:
        end: The socket that QEMU has the other end of; the new one takes its place.
        news: What is readable when the guest says something of its servers.
        ended: Takes in what it said, and returns whether this port's server has ended.
    """

    def __init__(self, end: socket.socket, news: socket.socket, ended: Callable[[], bool]) -> None:
        super().__init__(fileno=end.detach())
        self._news = news
        self._ended = ended
        self._over = False

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to ``size`` bytes; none when the server has ended, or QEMU.

        Raises:
            TimeoutError: Nothing came in time.
            OSError: It is closed.
        """
        if not self._over and not self._readable(self.gettimeout(), self._news):
            # Nothing to hear is no proof: another thread may have heard it.
            self._over = self._ended()
        # What the server said last may be on its way still.
        if self._readable(_LAST_WORDS_S if self._over else 0):
            return super().recv(size, flags)
        if self._over:
            return b""
        raise TimeoutError("timed out")

    def _readable(self, seconds: float | None, *others: socket.socket) -> bool:
        """Whether this is, in that time at most, or until one of the others is."""
        try:
            ready, _, _ = select.select([self, *others], [], [], seconds)
        except ValueError:  # another thread closed it: its descriptor is -1
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None
        return self in ready

    def close(self) -> None:
        """End it: the guest's server comes to an end-of-file."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()
