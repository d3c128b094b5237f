# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complained of, as a page shows it: recorded, or read off the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import merge
from itertools import groupby

from lab.complaints import read
from lab.model.complaint import Complaint
from lab.model.records import JobRecord, PlacedComplaint
from lab.report.site.log import Excerpt, JobLogs


@dataclass(frozen=True)
class ShownComplaint:
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


@dataclass(frozen=True)
class ComplaintBook:
    """The complaints that came while one suite ran on a filesystem, by what they explain."""

    told: tuple[ShownComplaint, ...]

    def about(self, test: str) -> Iterator[ShownComplaint]:
        """Those that explain the result of that name: a test's, a part's or the program's."""
        ends = (place for place, letter in enumerate(f"{test}/") if letter == "/")
        names = dict.fromkeys(["", *(test[:end] for end in ends)])
        lists = [*(self._of_test.get(name, ()) for name in names), self._of_program.get(test, ())]
        for number, _ in groupby(merge(*lists)):
            yield self.told[number]

    @cached_property
    def _of_test(self) -> dict[str, list[int]]:
        return self._by(lambda told: told.test)

    @cached_property
    def _of_program(self) -> dict[str, list[int]]:
        return self._by(lambda told: told.program)

    def _by(self, name: Callable[[ShownComplaint], str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, told in enumerate(self.told):
            found.setdefault(name(told), []).append(number)
        return found


def complaints(job: JobRecord, logs: JobLogs) -> tuple[ShownComplaint, ...]:
    """The complaints on record for a job; of one without any, those its consoles show."""
    if job.complaints:
        suites = _suites(job)
        return tuple(
            _recorded(noted, logs, suites.get((noted.filesystem, noted.program), set()))
            for noted in job.complaints
            if not noted.benign
        )
    found = (
        _told(complaint, JobLogs((log,)))
        for log in logs.consoles
        for complaint in read("\n".join(log.lines).encode())
    )
    return tuple(replace(told, place=_place(told.excerpt)) for told in found)


def _recorded(noted: PlacedComplaint, logs: JobLogs, suites: set[str]) -> ShownComplaint:
    told = _told(noted.complaint, logs)
    (suite,) = suites if len(suites) == 1 else ("",)
    place = (noted.filesystem, suite) if suite else _place(told.excerpt)
    if not noted.program:
        # A program's mark stands above it on the console, and its results were out by then.
        place = None
    return replace(told, place=place, program=noted.program, test=noted.test, of_job=noted.of_job)


def _suites(job: JobRecord) -> dict[tuple[str, str], set[str]]:
    """The suites that ran a program on a filesystem, by both."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in job.ran:
        if one.program:
            found.setdefault((one.filesystem, one.program), set()).add(one.suite)
    return found


def _place(excerpt: Excerpt | None) -> tuple[str, str] | None:
    """What ran there, as the lab's marks tell."""
    if excerpt is None:
        return None
    mark = excerpt.log.at(excerpt.line)
    return mark[:2] if mark else None


def _told(complaint: Complaint, logs: JobLogs) -> ShownComplaint:
    return ShownComplaint(
        str(complaint.kind),
        complaint.title,
        _locate(logs, complaint.first_line, complaint.lines),
        complaint.lines,
        tuple(map(str, complaint.frames)),
    )


def _locate(logs: JobLogs, first: int, lines: tuple[str, ...]) -> Excerpt | None:
    """Where a complaint stands; its number is believed when the line is the one it names."""
    head = lines[0].strip() if lines else ""
    found = logs.find(head)
    if found is None:
        return None
    log, number = logs.consoles[found[0]], found[1]
    if log.first <= first <= log.last and head in log.line(first):
        number = first
    return Excerpt(log, number, min(log.last, number + max(len(lines), 1) - 1), number)
