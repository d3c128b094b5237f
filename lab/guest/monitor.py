# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor, through QEMU's own QMP library."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from lab.errors import InfrastructureError

#: ``info usernet``: protocol, fd, source address and port, destination and port.
_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\b")


class Monitor:
    """A QMP connection over a socket that the lab and QEMU share."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._protocol = QEMUMonitorProtocol(connection)
        self._protocol.settimeout(deadline_s)
        self._protocol.connect()

    def ssh_port(self) -> int:
        """The loopback port QEMU bound for the guest's port 22."""
        answer = self._protocol.cmd("human-monitor-command", **{"command-line": "info usernet"})
        match = _FORWARD.search(str(answer))
        if match is None:
            raise InfrastructureError("QEMU forwards no port to the guest", detail=str(answer))
        return int(match[1])

    def quit(self) -> None:
        """Ask QEMU to end."""
        self._protocol.cmd("quit")

    def close(self) -> None:
        """Close the connection; QEMU goes on, unless it has ended already."""
        with suppress(EOFError, OSError, QMPError):
            self._protocol.close()
