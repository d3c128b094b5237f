# SPDX-License-Identifier: GPL-2.0-only
"""A log by lines, as it comes: time stamps, caller ids and log levels taken off.

The forms are printk's: ``[    1.234567] text`` with CONFIG_PRINTK_TIME,
``[    1.234567][   T12] text`` with CONFIG_PRINTK_CALLER (``C1``: on CPU 1, in an
interrupt) from 5.1 on, ``[   T12] text`` with ``printk.time=0``; ``<4>`` before
them in ``dmesg -r`` and where a log was read from ``/dev/kmsg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.text import without_escapes

#: No printk is longer than a kilobyte; a console of garbage may have no line end at all.
_LONGEST = 8192
#: Empty lines in a row that are told; a guest can print millions of them a second.
_MOST_EMPTY = 3
_EMPTY = {b"", b"\r"}
_TIME = r"\[ {0,4}\d{1,9}\.\d{6}\]"
_CALLER = r"\[ {0,6}[TC]\d{1,7}\]"
_PREFIX = re.compile(rf"(?:<\d{{1,3}}>)?(?:({_TIME}) ?)?(?:({_CALLER}) ?)?")
#: A time stamp within a line: what came before it was cut off by a message.
_INSIDE = re.compile(rf"(?<=.)(?={_TIME})")


@dataclass(frozen=True)
class Line:
    """A line of a log, or the part of one that is a message of its own.

    ``number`` counts from 1, ``offset`` is that of the whole line's first byte;
    ``raw`` is the line with its prefix, ``text`` without.  ``caller`` is ``T12``
    or ``C1``, ``""`` where the log does not say; ``time`` is in seconds.
    """

    number: int
    offset: int
    raw: str
    text: str
    time: float | None = None
    caller: str = ""

    @property
    def stamped(self) -> bool:
        """Whether it bears a sign of being printk's."""
        return self.time is not None or bool(self.caller)


class Lines:
    """Splits a log that comes in pieces; undecodable bytes are replaced."""

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0
        self._number = 0
        self._empty = 0

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that are whole now; the last may wait for its end."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if line not in _EMPTY or not self._is_one_of_many(line):
                yield from self._line(line, 1)
        rest, start = self._rest, 0
        while len(rest) - start > _LONGEST:
            yield from self._line(rest[start : start + _LONGEST], 0)
            start += _LONGEST
        self._rest = rest[start:]

    def close(self) -> Iterator[Line]:
        """The last line, if the log ended within it."""
        line, self._rest = self._rest, b""
        if line:
            yield from self._line(line, 0)

    def _is_one_of_many(self, line: bytes) -> bool:
        """Count an empty line; returns whether so many came before it that it says nothing."""
        self._empty += 1
        if self._empty <= _MOST_EMPTY:
            return False
        self._offset += len(line) + 1
        self._number += 1
        return True

    def _line(self, line: bytes, end: int) -> Iterator[Line]:
        offset = self._offset
        self._offset += len(line) + end
        self._number += 1
        if line not in _EMPTY:
            self._empty = 0
        text = line.decode(errors="replace").rstrip("\r")
        # Most lines need neither: two looks are quicker than three expressions.
        if not text.isprintable():
            text = without_escapes(text)
        for part in _INSIDE.split(text) if "[" in text[1:] else (text,):
            yield _read(self._number, offset, part)


def _read(number: int, offset: int, raw: str) -> Line:
    match = _PREFIX.match(raw)
    assert match is not None
    time = float(match[1].strip("[] ")) if match[1] else None
    caller = match[2].strip("[] ") if match[2] else ""
    return Line(number, offset, raw, raw[match.end() :], time, caller)
