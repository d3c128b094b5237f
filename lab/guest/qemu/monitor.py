# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor, through QEMU's own QMP library."""

from __future__ import annotations

import logging
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from lab.errors import InfrastructureError
from lab.process.deadline import Deadline

# Its threads log what the lab finds out, and says, anyway.
logging.getLogger("qemu").addHandler(logging.NullHandler())


class MonitorLost(InfrastructureError):
    """QEMU does not answer: it ended, or it hangs."""


class Monitor:
    """A QMP connection over a socket that the lab and QEMU share.

    Every call raises MonitorLost when QEMU ended, or did not answer in time.
    """

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        # Its connect() has no deadline, and waits for ever for a socket that another thread closes
        # with the guest: of one of its own it hears that QEMU went.
        own = connection.dup()
        self._protocol = QEMUMonitorProtocol(own)
        self._protocol.settimeout(deadline_s)
        # Whoever interrupts it leaves a task, which says that nobody heard how QEMU's end broke it.
        self._protocol._aloop.set_exception_handler(lambda *_: None)
        try:
            with _lost():
                self._protocol.connect()
        except MonitorLost:
            own.close()
            raise

    def registers(self) -> str:
        """The registers of each CPU, as QEMU prints them."""
        return self._human("info registers -a")

    def save(self, target: Path, deadline_s: float) -> None:
        """Write the devices of the guest, which stands still from then on, to ``target``.

        Raises:
            InfrastructureError: QEMU could not, or not in time.
        """
        self._ignore_shared()
        self._ask("migrate", uri=f"exec:cat > {shlex.quote(str(target))}")
        self._until("query-migrate", {"completed"}, {"failed", "cancelled"}, deadline_s)

    def restore(self, source: str, deadline_s: float) -> None:
        """Let a guest that waits for a saved state go on from ``source``, a migration URI.

        Raises:
            InfrastructureError: QEMU could not, or not in time.
        """
        self._ignore_shared()
        self._ask("migrate-incoming", uri=source)
        self._until("query-status", {"running"}, {"internal-error", "guest-panicked"}, deadline_s)

    def _ignore_shared(self) -> None:
        capability = {"capability": "x-ignore-shared", "state": True}
        self._ask("migrate-set-capabilities", capabilities=[capability])

    def _until(self, query: str, good: set[str], bad: set[str], deadline_s: float) -> None:
        deadline = Deadline("monitor", deadline_s)
        # QEMU answers when it has loaded the devices, and runs the guest right after that.
        pauses = chain((0, 0), repeat(0.002))
        while (status := self._ask(query)["status"]) not in good:
            if status in bad or deadline.passed:
                raise InfrastructureError(f"QEMU's {query} says {status!r}")
            time.sleep(next(pauses))

    def quit(self) -> None:
        """Ask QEMU to end."""
        self._ask("quit")

    def _human(self, command: str) -> str:
        return str(self._ask("human-monitor-command", **{"command-line": command}))

    def _ask(self, command: str, **arguments: object) -> Any:
        with _lost():
            return self._protocol.cmd(command, **arguments)

    def close(self) -> None:
        """Close the connection; QEMU goes on, unless it has ended already."""
        with suppress(EOFError, OSError, QMPError, TimeoutError):
            self._protocol.close()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, QMPError, TimeoutError) as error:
        raise MonitorLost(f"QEMU's monitor does not answer: {error}") from error
