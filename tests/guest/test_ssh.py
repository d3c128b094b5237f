# SPDX-License-Identifier: GPL-2.0-only
import threading

import pytest
from fabric import Connection
from invoke.exceptions import CommandTimedOut

from lab.guest.ssh import _Runner


class _Channel:
    """Ends when it is closed, and lets whoever waits for that run first."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self.asked = threading.Event()

    def exec_command(self, command: str) -> None:
        pass

    def recv(self, size: int) -> bytes:
        self._closed.wait(10)
        return b""

    recv_stderr = recv

    def exit_status_ready(self) -> bool:
        return self._closed.is_set()

    def recv_exit_status(self) -> int:
        return -1

    def close(self) -> None:
        self._closed.set()
        # The timer's thread is not scheduled again until all is over.
        if threading.current_thread() is not threading.main_thread():
            self.asked.wait(10)


def test_deadline_is_no_lost_connection_on_a_busy_host(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = _Channel()
    monkeypatch.setattr(Connection, "create_session", lambda _: channel)
    runner = _Runner(context=Connection("127.0.0.1"))
    try:
        with pytest.raises(CommandTimedOut):
            runner.run("sleep 600", hide=True, warn=True, in_stream=False, timeout=0.05)
    finally:
        channel.asked.set()
