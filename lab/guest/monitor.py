# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor, through QEMU's own QMP library."""

from __future__ import annotations

import re
import shlex
import socket
import time
from contextlib import suppress
from pathlib import Path

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

    def save(self, target: Path, deadline_s: float) -> None:
        """Write the devices of the guest, which stands still from then on, to ``target``.

        Raises:
            InfrastructureError: QEMU could not, or not in time.
        """
        self._ignore_shared()
        self._protocol.cmd("migrate", uri=f"exec:cat > {shlex.quote(str(target))}")
        self._until("query-migrate", {"completed"}, {"failed", "cancelled"}, deadline_s)

    def restore(self, source: Path, deadline_s: float) -> None:
        """Let a guest that waits for a saved state go on from ``source``.

        Raises:
            InfrastructureError: QEMU could not, or not in time.
        """
        self._ignore_shared()
        self._protocol.cmd("migrate-incoming", uri=f"exec:cat {shlex.quote(str(source))}")
        self._until("query-status", {"running"}, {"internal-error", "guest-panicked"}, deadline_s)

    def _ignore_shared(self) -> None:
        capability = {"capability": "x-ignore-shared", "state": True}
        self._protocol.cmd("migrate-set-capabilities", capabilities=[capability])

    def _until(self, query: str, good: set[str], bad: set[str], deadline_s: float) -> None:
        deadline = time.monotonic() + deadline_s
        while (status := dict(self._protocol.cmd(query)).get("status")) not in good:  # type: ignore[call-overload]
            if status in bad or time.monotonic() > deadline:
                raise InfrastructureError(f"QEMU's {query} says {status!r}")
            time.sleep(0.002)

    def quit(self) -> None:
        """Ask QEMU to end."""
        self._protocol.cmd("quit")

    def close(self) -> None:
        """Close the connection; QEMU goes on, unless it has ended already."""
        with suppress(EOFError, OSError, QMPError):
            self._protocol.close()
