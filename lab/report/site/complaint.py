# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complained of, as a page shows it: recorded, or read off the console."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.report.site.log import Excerpt, Log
from lab.results.record import JobRecord

_STARTS = re.compile(
    r"\] (?:[\w.-]+: )?((?:WARNING|BUG|Oops|INFO: task|rcu: INFO|general protection fault|"
    r"Kernel panic|Unable to handle|watchdog: BUG|UBSAN|divide error|invalid opcode).*)"
)
_ENDS = re.compile(r"---\[ end |\] Rebooting in |Kernel Offset:")
_MOST_LINES = 60


@dataclass(frozen=True)
class Told:
    """A complaint: its lines in a log, and its stack where somebody decoded it."""

    kind: str
    title: str
    excerpt: Excerpt | None
    lines: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str] | None:
        """The filesystem and suite that ran when it came, as the lab's marks tell."""
        if self.excerpt is None:
            return None
        spans = self.excerpt.log.spans
        at = [mark for mark, start, end in spans if start <= self.excerpt.line <= end]
        return at[0][:2] if at else None


def complaints(job: JobRecord, consoles: tuple[Log, ...]) -> tuple[Told, ...]:
    """The complaints on record for a job; of one without any, those its consoles show."""
    recorded = getattr(job, "complaints", None)
    if recorded:
        return tuple(_recorded(each, consoles) for each in recorded)
    return tuple(told for log in consoles for told in _scan(log))


def _recorded(complaint: Any, consoles: tuple[Log, ...]) -> Told:
    def field(name: str, default: Any) -> Any:
        if isinstance(complaint, Mapping):
            return complaint.get(name, default)
        return getattr(complaint, name, default)

    lines = tuple(map(str, field("lines", ())))
    frames = tuple(map(_frame, field("frames", ())))
    excerpt = _locate(consoles, int(field("first_line", 0) or 0), lines)
    return Told(str(field("kind", "")), str(field("title", "")), excerpt, lines, frames)


def _frame(frame: Any) -> str:
    if not isinstance(frame, Mapping):
        return str(frame)
    offset = f"+{frame.get('offset', 0):#x}/{frame.get('size', 0):#x}"
    module = f" [{frame['module']}]" if frame.get("module") else ""
    where = f" {frame['file']}:{frame.get('line', 0)}" if frame.get("file") else ""
    doubt = "" if frame.get("reliable", True) else "? "
    return f"{doubt}{frame.get('function', '')}{offset}{module}{where}"


def _locate(consoles: tuple[Log, ...], first: int, lines: tuple[str, ...]) -> Excerpt | None:
    """Where a complaint stands; its number is believed when the line is the one it names."""
    head = lines[0].strip() if lines else ""
    for log in consoles:
        at_first = log.first <= first <= log.last and head in log.line(first)
        number = first if at_first else log.find(head)
        if number:
            return Excerpt(log, number, min(log.last, number + max(len(lines), 1) - 1), number)
    return None


def _scan(log: Log) -> Iterator[Told]:
    number = log.first
    while number <= log.last:
        match = _STARTS.search(log.line(number))
        if match:
            end = _end(log, number)
            lines = tuple(log.line(each) for each in range(number, end + 1))
            yield Told("console", match[1], Excerpt(log, number, end, number), lines)
            number = end
        number += 1


def _end(log: Log, start: int) -> int:
    last = min(log.last, start + _MOST_LINES)
    ends = (n for n in range(start, last + 1) if _ENDS.search(log.line(n)))
    # A line alone, a lone "WARNING: …", has no trace after it.
    trace = any("Call Trace" in log.line(n) for n in range(start, min(last, start + 25) + 1))
    return next(ends, last if trace else start)
