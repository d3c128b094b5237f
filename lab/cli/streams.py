# SPDX-License-Identifier: GPL-2.0-only
"""stdout and stderr of a command: closed or full, they end nothing that the lab does."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

_STANDARD = (0, 1, 2)


class Stream(io.FileIO):
    """A descriptor that remembers why it could not be written, rather than raise it.

    Args:
        raises: Let whoever writes see that the reader of a pipe is gone.
    """

    def __init__(self, descriptor: int, *, raises: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._raises = raises
        self.trouble: OSError | None = None

    def write(self, data: Any, /) -> int:
        """All of it, or nothing once something was refused: half a text is no text."""
        size = memoryview(data).nbytes
        if self.trouble is not None:
            return size
        try:
            return super().write(data)
        except OSError as error:
            self.trouble = error
            if self._raises and isinstance(error, BrokenPipeError):
                raise
            return size


def take_over() -> tuple[Stream, Stream]:
    """Have ``sys.stdout`` and ``sys.stderr`` go through Streams; returns those.

    A standard descriptor that is closed is taken first: the next file to be opened, the
    database's maybe, would get its number, and what is printed.
    """
    for number in _STANDARD:
        _take_if_closed(number)
    out, err = Stream(1, raises=True), Stream(2, raises=False)
    sys.stdout = _text(out, sys.stdout)
    sys.stderr = _text(err, sys.stderr)
    return out, err


def _take_if_closed(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # For reading: what is printed there is refused, and not taken for printed.
        descriptor = os.open(os.devnull, os.O_RDONLY)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.set_inheritable(number, True)


def _text(stream: Stream, like: TextIO | None) -> TextIO:
    encoding = like.encoding if like is not None else "utf-8"
    at_once = stream.isatty() or stream.fileno() == 2
    # What a guest printed may be no text: said so, rather than nothing at all.
    return io.TextIOWrapper(
        io.BufferedWriter(stream), encoding, "backslashreplace", line_buffering=at_once
    )
