# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complained of, as a page shows it: recorded, or read off the console."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.complaints import Complaint, read
from lab.report.site.log import Excerpt, Log
from lab.results.record import JobRecord, Noted


@dataclass(frozen=True)
class Told:
    """A complaint: its lines in a log, and its stack where somebody decoded it.

    Args:
        place: The filesystem and suite that ran when it came; None where none did.
        program, test: What ran, as far as it is on record.
        of_job: No result tells of it, and it counts.
    """

    kind: str
    title: str
    excerpt: Excerpt | None
    lines: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    place: tuple[str, str] | None = None
    program: str = ""
    test: str = ""
    of_job: bool = False

    def is_about(self, test: str) -> bool:
        """Whether it explains the result of that name: a test's, a part's or the program's."""
        return not self.test or test == self.program or f"{test}/".startswith(f"{self.test}/")


def complaints(job: JobRecord, consoles: tuple[Log, ...]) -> tuple[Told, ...]:
    """The complaints on record for a job; of one without any, those its consoles show."""
    if job.complaints:
        return tuple(
            _recorded(job, noted, consoles) for noted in job.complaints if not noted.benign
        )
    found = (
        _told(complaint, (log,))
        for log in consoles
        for complaint in read("\n".join(log.lines).encode())
    )
    return tuple(replace(told, place=_place(told.excerpt)) for told in found)


def _recorded(job: JobRecord, noted: Noted, consoles: tuple[Log, ...]) -> Told:
    told = _told(noted.complaint, consoles)
    suites = _suites(job, noted.filesystem, noted.program)
    place = (noted.filesystem, suites.pop()) if len(suites) == 1 else _place(told.excerpt)
    if not noted.program:
        # A program's mark stands above it on the console, and its results were out by then.
        place = None
    return replace(told, place=place, program=noted.program, test=noted.test, of_job=noted.of_job)


def _suites(job: JobRecord, filesystem: str, program: str) -> set[str]:
    """The suites that ran a program on a filesystem."""
    units = (unit.partition("/") for guest in job.evidence.guests for unit in guest.units)
    names = (suite for where, _, suite in units if where == filesystem)
    return {name.split(".")[0] for name in names if name.split(".")[1:2] == [program]}


def _place(excerpt: Excerpt | None) -> tuple[str, str] | None:
    """What ran there, as the lab's marks tell."""
    if excerpt is None:
        return None
    at = [mark for mark, start, end in excerpt.log.spans if start <= excerpt.line <= end]
    return at[0][:2] if at else None


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
