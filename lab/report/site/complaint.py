# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complained of, as a page shows it: recorded, or read off the console."""

from __future__ import annotations

from dataclasses import dataclass

from lab.complaints import Complaint, read
from lab.report.site.log import Excerpt, Log
from lab.results.record import JobRecord


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
    recorded = [noted.complaint for noted in job.complaints if not noted.benign]
    if recorded:
        return tuple(_told(complaint, consoles) for complaint in recorded)
    return tuple(
        _told(complaint, (log,))
        for log in consoles
        for complaint in read("\n".join(log.lines).encode())
    )


def _told(complaint: Complaint, consoles: tuple[Log, ...]) -> Told:
    return Told(
        str(complaint.kind),
        complaint.title,
        _locate(consoles, complaint.first_line, complaint.lines),
        complaint.lines,
        tuple(map(str, complaint.frames)),
    )


def _locate(consoles: tuple[Log, ...], first: int, lines: tuple[str, ...]) -> Excerpt | None:
    """Where a complaint stands; its number is believed when the line is the one it names."""
    head = lines[0].strip() if lines else ""
    for log in consoles:
        at_first = log.first <= first <= log.last and head in log.line(first)
        number = first if at_first else log.find(head)
        if number:
            return Excerpt(log, number, min(log.last, number + max(len(lines), 1) - 1), number)
    return None
