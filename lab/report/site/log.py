# SPDX-License-Identifier: GPL-2.0-only
"""Logs of a job, line by line, and where in them a result is explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.report.site.names import safe_name
from lab.results.folder import slug
from lab.results.record import JobRecord
from lab.suites.mark import read_mark
from lab.suites.plain import without_escapes

#: A console that repeats one line for an hour is cut: its end is what counts.
_MOST_BYTES = 8 << 20
_MOST_CHARACTERS = 2000
_RESULT = re.compile(r"^\s*(?:not )?ok\b(?: \d+)?(?: -)? *(.*?)(?: +# .*)?$")


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
            data = path.read_bytes()
        except OSError:
            return None
        kept = data[-_MOST_BYTES:]
        skipped = data[: len(data) - len(kept)].count(b"\n")
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

    def find(self, text: str) -> int | None:
        """The first line that has this text in it."""
        found = (number for number, line in enumerate(self.lines, self.first) if text in line)
        return next(found, None) if text else None

    @cached_property
    def results(self) -> dict[str, int]:
        """Where each test's result line is, in KTAP."""
        found: dict[str, int] = {}
        for number, line in enumerate(self.lines, self.first):
            if match := _RESULT.match(line):
                found.setdefault(match[1], number)
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

    def span(self, filesystem: str, suite: str) -> tuple[int, int] | None:
        """The lines from the first program of a suite on a filesystem to the end of its last."""
        mine = [span for span in self.spans if span[0][:2] == (filesystem, suite)]
        return (mine[0][1], mine[-1][2]) if mine else None


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


@dataclass(frozen=True)
class JobLogs:
    """What a job left in its folder; a guest that died leaves one console, the next another."""

    consoles: tuple[Log, ...] = ()
    kernel: Log | None = None
    ktap: tuple[tuple[str, str, Log], ...] = ()

    @property
    def all(self) -> tuple[Log, ...]:
        """Each one."""
        kernel = (self.kernel,) if self.kernel else ()
        return (*self.consoles, *kernel, *(log for _, _, log in self.ktap))

    def result_line(self, filesystem: str, suite: str, test: str) -> tuple[Log, int] | None:
        """Where a program printed the result of a test."""
        for where, which, log in self.ktap:
            if (where, which) == (slug(filesystem), slug(suite)):
                number = log.results.get(test) or log.results.get(test.rpartition("/")[2])
                if number:
                    return log, number
        return None

    def console_span(self, filesystem: str, suite: str) -> Excerpt | None:
        """What the console said while a suite ran on a filesystem."""
        for log in self.consoles:
            if span := log.span(filesystem, suite):
                return Excerpt(log, *span, span[0])
        return None


def read_logs(folder: Path | None, job: str) -> JobLogs:
    """The logs in a job's folder; ``job`` begins the names of their pages."""
    if folder is None:
        return JobLogs()
    consoles = [Log.read(folder / "console.log", f"{job}.console", "Console")]
    for number, path in sorted((_number(path), path) for path in folder.glob("guest-*")):
        page = f"{job}.console-{number}"
        consoles.append(Log.read(path / "console.log", page, f"Console of guest {number}"))
    kernel = Log.read(folder / "kernel.log", f"{job}.kernel", "Kernel log")
    return JobLogs(_known(consoles), kernel, tuple(_ktap(folder, job)))


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix("guest-")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _ktap(folder: Path, job: str) -> Iterable[tuple[str, str, Log]]:
    for path in sorted(folder.glob("*/*.ktap")):
        filesystem, suite = path.parent.name, path.name.partition(".")[0]
        page = f"{job}.{safe_name(f'{filesystem}.{path.name}')}"
        log = Log.read(path, page, f"{path.stem} on {filesystem}")
        if log:
            yield filesystem, suite, log


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
    try:
        record = json.loads((folder / "job.json").read_bytes())
        return all(record[key] == getattr(job, key) for key in ("machine", "config", "started"))
    except (OSError, ValueError, KeyError, TypeError):
        return False
