# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor, where nobody is at its other end."""

from __future__ import annotations

import asyncio
import gc
import signal
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


def test_who_interrupts_a_connect_sees_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """A worker whose scheduler was gone as a guest began printed fifty lines of QMP's."""
    ours, qemus = socket.socketpair()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            Monitor(ours, 30)
    finally:
        signal.signal(signal.SIGALRM, before)
    qemus.close()
    ours.close()
    asyncio.get_event_loop_policy().get_event_loop().run_until_complete(asyncio.sleep(0.1))
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []
