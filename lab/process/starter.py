# SPDX-License-Identifier: GPL-2.0-only
"""The process that starts all others (keeper.py): one for each process of the lab."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lab.errors import InfrastructureError
from lab.process.keeper import LENGTH_BYTES

_KEEPER = Path(__file__).with_name("keeper.py")


class _Starter:
    """A running starter, and the socket on which it is asked."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def ask(self, request: bytes, descriptors: Sequence[int]) -> None:
        """Send a request; raises OSError when the starter is gone."""
        # A message without a byte carries no descriptors.
        head = len(request).to_bytes(LENGTH_BYTES, "big")
        socket.send_fds(self._control, [head], descriptors)
        self._control.sendall(request)

    def close(self) -> None:
        """Let it end: it does at once, and what it started goes on."""
        self._control.close()
        if self.owner == os.getpid():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)


_lock = threading.Lock()
_starter: _Starter | None = None


def start(
    command: Sequence[str],
    cwd: Path | None,
    environment: Mapping[str, str],
    descriptors: Mapping[int, int],
    file_size: int | None = None,
) -> socket.socket:
    """Start a command below a keeper of its own; returns the other end of its lifeline.

    Args:
        descriptors: The command's file descriptors, by the number each has there: the
            three standard ones at least.
        file_size: The most bytes that a file may come to have which it writes.

    Raises:
        InfrastructureError: No keeper could be started.
    """
    request = json.dumps({
        "command": command,
        "cwd": os.fspath(cwd or _current()),
        "environment": dict(environment),
        "descriptors": list(descriptors),
        "file_size": file_size,
    }).encode()  # fmt: skip
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            _ask(request, [theirs.fileno(), *descriptors.values()])
    except BaseException:
        ours.close()
        raise
    return ours


def _current() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return Path("/")


def _ask(request: bytes, descriptors: Sequence[int]) -> None:
    global _starter
    with _lock:
        # Somebody may have killed it: then the next one is asked.
        for _ in range(2):
            if _starter is None or _starter.owner != os.getpid():
                _starter = _Starter()
                atexit.register(_starter.close)
            try:
                return _starter.ask(request, descriptors)
            except BaseException as error:
                # Half a request, cut off by a Ctrl-C, would be the next one's beginning.
                atexit.unregister(_starter.close)
                _starter.close()
                _starter = None
                if not isinstance(error, OSError):
                    raise
                lost = error
    raise InfrastructureError(f"no process can be started: {lost}")
