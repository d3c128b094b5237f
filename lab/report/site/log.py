# SPDX-License-Identifier: GPL-2.0-only
"""Logs of a job, line by line, and where in them a result is explained."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from lab.model.log_mark import read_mark
from lab.model.planned import longest_before
from lab.model.records import JobRecord
from lab.process.stored import read_stored
from lab.report.site.page_names import safe_name
from lab.report.site.search import Search
from lab.results.folder import slug
from lab.suites.ktap import describe
from lab.text import without_escapes

#: A console that repeats one line for an hour is cut: its end is what counts.
_MOST_BYTES = 8 << 20
_PIECE = 1 << 20
_MOST_CHARACTERS = 2000
_RESULT = re.compile(r"^\s*(?:not )?ok\b(?: \d+)?(?:\s+(.*))?$")


@dataclass(frozen=True)
class Log:
    """A file of text; ``page`` is the name of the page that shows it, lines count from 1."""

    page: str
    title: str
    lines: tuple[str, ...] = ()
    first: int = 1

    @staticmethod
    def read(path: Path, page: str, title: str) -> Log | None:
        """The log, whatever bytes are in it; None when nobody kept one.

        Of a file beyond 8 MiB the end is read; its lines are numbered as in the file.
        """
        try:
            skipped, kept = _end(path)
        except OSError:
            return None
        text = without_escapes(kept.decode(errors="replace").replace("\r", ""))
        lines = tuple(line[:_MOST_CHARACTERS] for line in text.split("\n"))
        lines = lines[:-1] if lines and not lines[-1] else lines
        return Log(page, title, lines, skipped + 1)

    def line(self, number: int) -> str:
        """The text of a line."""
        return self.lines[number - self.first]

    @property
    def last(self) -> int:
        """The number of the last line; 0 in an empty log."""
        return self.first + len(self.lines) - 1

    def around(self, number: int, before: int, after: int) -> Excerpt:
        """The lines about one of them."""
        start, end = max(self.first, number - before), min(self.last, number + after)
        return Excerpt(self, start, end, number)

    @cached_property
    def results(self) -> dict[str, int]:
        """Where each test's result line is, in KTAP."""
        found: dict[str, int] = {}
        for number, line in enumerate(self.lines, self.first):
            if match := _RESULT.match(line):
                found.setdefault(describe(match[1] or "")[0], number)
        return found

    @cached_property
    def spans(self) -> tuple[tuple[tuple[str, str, str], int, int], ...]:
        """(filesystem, suite, program), and the first and last line of what was said then."""
        marks = [(mark, n) for n, line in enumerate(self.lines, 1) if (mark := read_mark(line))]
        ends = [n - 1 for _, n in marks[1:]] + [len(self.lines)]
        offset = self.first - 1
        return tuple(
            (mark, n + offset, end + offset)
            for (mark, n), end in zip(marks, ends[: len(marks)], strict=True)
        )

    def at(self, number: int) -> tuple[str, str, str] | None:
        """The filesystem, suite and program that ran when a line was printed."""
        place = bisect_right(self._starts, number) - 1
        if place < 0 or number > self.spans[place][2]:
            return None
        return self.spans[place][0]

    @cached_property
    def suites(self) -> dict[tuple[str, str], tuple[int, int]]:
        """The lines from the first program of a suite on a filesystem to the end of its last."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for (filesystem, suite, _), start, end in self.spans:
            start, _ = found.get((filesystem, suite), (start, 0))
            found[(filesystem, suite)] = (start, end)
        return found

    @cached_property
    def _starts(self) -> list[int]:
        return [start for _, start, _ in self.spans]


def _end(path: Path) -> tuple[int, bytes]:
    """How many lines of a file are left out, and the rest: gigabytes never are in memory."""
    with path.open("rb") as stream:
        left = max(0, stream.seek(0, os.SEEK_END) - _MOST_BYTES)
        stream.seek(0)
        skipped = 0
        while left and (piece := stream.read(min(left, _PIECE))):
            left -= len(piece)
            skipped += piece.count(b"\n")
        return skipped, stream.read(_MOST_BYTES)


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a log, one of which matters."""

    log: Log
    start: int
    end: int
    line: int

    @property
    def numbered(self) -> list[tuple[int, str]]:
        """The lines with their numbers."""
        return [(number, self.log.line(number)) for number in range(self.start, self.end + 1)]


class Printed(NamedTuple):
    """Whose output a file has, by the names that its path is made of."""

    filesystem: str
    suite: str
    program: str


@dataclass(frozen=True)
class JobLogs:
    """What a job left in its folder; a guest that died leaves one console, the next another."""

    consoles: tuple[Log, ...] = ()
    kernel: Log | None = None
    ktap: tuple[tuple[Printed, Log], ...] = ()

    @property
    def all(self) -> tuple[Log, ...]:
        """Each one."""
        kernel = (self.kernel,) if self.kernel else ()
        return (*self.consoles, *kernel, *(log for _, log in self.ktap))

    def result_line(
        self, filesystem: str, suite: str, test: str, program: str = ""
    ) -> tuple[Log, int] | None:
        """Where a program printed the result of a test; another's that has one only else."""
        logs = self._ktap_of.get((slug(filesystem), slug(suite)), ())
        for _, log in sorted(logs, key=lambda found: found[0] != slug(program)):
            number = log.results.get(test) or log.results.get(test.rpartition("/")[2])
            if number:
                return log, number
        return None

    def console_span(self, filesystem: str, suite: str) -> Excerpt | None:
        """What the first console with it said while a suite ran on a filesystem."""
        return next(iter(self._spans.get((filesystem, suite), ())), None)

    def last_span(self, filesystem: str, suite: str) -> Excerpt | None:
        """As console_span(), of the last console with it."""
        return next(reversed(self._spans.get((filesystem, suite), ())), None)

    def find(self, text: str) -> tuple[int, int] | None:
        """The first line of the consoles that has this text: the console's place, its number."""
        found = self._search.first(text)
        if found is None:
            return None
        place = bisect_right(self._begins, found) - 1
        return place, self.consoles[place].first + found - self._begins[place]

    @cached_property
    def _ktap_of(self) -> dict[tuple[str, str], list[tuple[str, Log]]]:
        found: dict[tuple[str, str], list[tuple[str, Log]]] = {}
        for printed, log in self.ktap:
            place = (printed.filesystem, printed.suite)
            found.setdefault(place, []).append((printed.program, log))
        return found

    @cached_property
    def _spans(self) -> dict[tuple[str, str], list[Excerpt]]:
        found: dict[tuple[str, str], list[Excerpt]] = {}
        for log in self.consoles:
            for place, span in log.suites.items():
                found.setdefault(place, []).append(Excerpt(log, *span, span[0]))
        return found

    @cached_property
    def _search(self) -> Search:
        return Search([line for log in self.consoles for line in log.lines])

    @cached_property
    def _begins(self) -> list[int]:
        """Where each console begins among the lines of all; of an empty one nothing is found."""
        lengths = (len(log.lines) for log in self.consoles)
        return list(accumulate(lengths, initial=0))[:-1]


def read_logs(folder: Path | None, job: str, record: JobRecord) -> JobLogs:
    """The logs in the folder of a job on record; ``job`` begins the names of their pages."""
    if folder is None:
        return JobLogs()
    consoles = [Log.read(folder / "console.log", f"{job}.console", "Console")]
    for number, path in sorted((_number(path), path) for path in folder.glob("guest-*")):
        page = f"{job}.console-{number}"
        consoles.append(Log.read(path / "console.log", page, f"Console of guest {number}"))
    kernel = Log.read(folder / "kernel.log", f"{job}.kernel", "Kernel log")
    return JobLogs(_known(consoles), kernel, tuple(_ktap(folder, job, record)))


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix("guest-")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _ktap(folder: Path, job: str, record: JobRecord) -> Iterable[tuple[Printed, Log]]:
    known = _programs(record)
    for path in sorted(folder.glob("*/*.ktap")):
        filesystem = path.parent.name
        page = f"{job}.{safe_name(f'{filesystem}.{path.name}')}"
        log = Log.read(path, page, f"{path.stem} on {filesystem}")
        if log:
            yield Printed(filesystem, *_printed_by(path.name, known)), log


def _programs(record: JobRecord) -> frozenset[tuple[str, str]]:
    """The (suite, program) pairs of a job, as they are in paths; "" for a program not known."""
    ran = {(one.suite, one.program) for one in record.ran}
    told = {(one.suite, one.program) for one in record.results}
    return frozenset(
        (slug(suite), slug(program) if program else "") for suite, program in ran | told
    )


def _printed_by(name: str, known: Collection[tuple[str, str]]) -> tuple[str, str]:
    """The suite and program of a file ``SUITE.PROGRAM.ktap``, or ``SUITE.PROGRAM.TEST.ktap``.

    Each of the names may have dots in it: of those that are known, the longest are meant.
    """
    heads = {".".join(filter(None, pair)): pair for pair in known}
    return heads.get(longest_before(name, heads), ("", ""))


def _known(logs: Iterable[Log | None]) -> tuple[Log, ...]:
    return tuple(log for log in logs if log is not None)


def job_folder(folders: Sequence[Path], number: int, job: JobRecord) -> Path | None:
    """Where a job's files are, below one of these folders of its run.

    ``number`` is the job's place in the record; jobs that ran side by side are recorded
    in the order of their ends, and folders are numbered in the order of the plan.
    """
    for folder in folders:
        found = sorted((folder / "jobs").glob(f"[0-9]*-{slug(job.variant)}"))
        found = [path for path in found if path.name.partition("-")[2] == slug(job.variant)]
        mine = [path for path in found if _is_of(path, job)] or found
        exact = [path for path in mine if path.name.startswith(f"{number:02d}-")]
        if mine:
            return (exact or mine)[0]
    return None


def _is_of(folder: Path, job: JobRecord) -> bool:
    record = read_stored(folder / "job.json", dict[str, Any]) or {}
    return all(record.get(key) == getattr(job, key) for key in ("machine", "config", "started"))
