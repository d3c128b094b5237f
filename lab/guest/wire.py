# SPDX-License-Identifier: GPL-2.0-only
"""Messages between a process that has a guest and one that asks things of it: lines of JSON."""

from __future__ import annotations

import base64
import json
import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lab.process.deadline import Deadline

#: Of a file on its way: what is fetched of a guest is no larger.
_LONGEST = 512 << 20
_PIECE = 1 << 20

Message = Mapping[str, Any]


class WireEnded(Exception):
    """The other end is gone."""


class Wire:
    """One end; for one thread at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = bytearray()

    def send(self, **message: object) -> None:
        """Say something; raises WireEnded."""
        try:
            self._end.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise WireEnded(str(error)) from error

    def receive(self, seconds: float | None = None) -> Message:
        """The next message.

        Raises:
            TimeoutError: None came in ``seconds``.
            WireEnded: None comes any more, or what came is none.
        """
        deadline = None if seconds is None else Deadline("wire", seconds)
        while (place := self._rest.find(b"\n")) < 0:
            left = None if deadline is None else max(0.0, deadline.left_s)
            if not select.select([self._end], [], [], left)[0]:
                raise TimeoutError
            self._take()
        line = bytes(self._rest[:place])
        del self._rest[: place + 1]
        try:
            found = json.loads(line)
        except ValueError as error:
            raise WireEnded(f"what came is no message: {error}") from error
        if not isinstance(found, dict):
            raise WireEnded("what came is no message")
        return found

    def _take(self) -> None:
        try:
            piece = self._end.recv(_PIECE)
        except OSError as error:
            raise WireEnded(str(error)) from error
        if not piece or len(self._rest) > _LONGEST:
            raise WireEnded("the connection ended")
        self._rest += piece

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._end.close()


def packed(content: bytes) -> str:
    """A file's content as text."""
    return base64.b64encode(content).decode()


def unpacked(text: object) -> bytes:
    """And back; raises ValueError."""
    return base64.b64decode(str(text), validate=True)
