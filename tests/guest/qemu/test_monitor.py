# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor, where nobody is at its other end."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from lab.guest.qemu.monitor import Monitor, MonitorLost

PATIENCE_S = 20.0


@pytest.mark.slow
def test_a_guest_that_is_ended_while_its_monitor_is_awaited() -> None:
    """Another thread closes all of it: QEMU's end goes, and ours right after."""
    ours, qemus = socket.socketpair()
    said: list[str] = []

    def connect() -> None:
        try:
            Monitor(ours, PATIENCE_S)
        except MonitorLost as error:
            said.append(error.what)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    time.sleep(0.5)
    assert thread.is_alive()
    qemus.close()
    ours.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert said
    assert "QEMU's monitor does not answer" in said[0]
