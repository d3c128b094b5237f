# SPDX-License-Identifier: GPL-2.0-only
"""A recorded run as its pages see it: jobs, groups of tests, and where each is shown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from lab.analysis.compare import Change, Compared, Comparison
from lab.analysis.repeated import pooled
from lab.analysis.test_names import key_apart, own_name, run_apart, shared_names
from lab.model.job_name import Around
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.test_key import TestKey
from lab.report.site.bisections import Bisected
from lab.report.site.complaint import ComplaintBook, ShownComplaint, complaints
from lab.report.site.log import JobLogs, job_folder, read_logs
from lab.report.site.page_names import safe_name
from lab.report.site.status_mark import Mark, mark
from lab.results.past_endings import End, Trail
from lab.suites.exact_pattern import escaped


@dataclass(frozen=True)
class Cell:
    """One result; ``change`` is what became of it since the baseline, None for nothing."""

    key: TestKey
    result: TestResult
    page: str
    fragment: str
    change: Compared | None = None

    @property
    def href(self) -> str:
        """Where it is told in full, from the report's first page."""
        return f"{self.page}#{self.fragment}"

    @cached_property
    def mark(self) -> Mark:
        """How it looks."""
        return mark(self.result.status, self.result.expected)


@dataclass(frozen=True)
class Group:
    """A suite on a filesystem of a job."""

    filesystem: str
    suite: str
    page: str
    cells: tuple[Cell, ...]

    @cached_property
    def odd(self) -> tuple[Cell, ...]:
        """What is not as expected, the worst first."""
        found = (cell for cell in self.cells if cell.mark.odd)
        return tuple(sorted(found, key=lambda cell: cell.mark.rank))

    @cached_property
    def known(self) -> int:
        """How many did not pass, as expected."""
        return sum(not cell.mark.odd and not cell.mark.quiet for cell in self.cells)

    @property
    def href(self) -> str:
        """Its page; where something is odd, the place of the worst."""
        return self.odd[0].href if self.odd else self.page

    @cached_property
    def worst(self) -> Mark:
        """The mark that stands for all."""
        return min((cell.mark for cell in self.cells), key=lambda found: found.rank)


@dataclass(frozen=True)
class Job:
    """A row of the matrix."""

    number: int
    record: JobRecord
    slug: str
    logs: JobLogs
    told: tuple[ShownComplaint, ...]
    groups: tuple[Group, ...]

    @property
    def name(self) -> str:
        """Its variant, and the machine and config that are not the default."""
        return self.record.name

    @property
    def kernel_page(self) -> str:
        """The page of its variant."""
        return kernel_page(self.record.variant)

    def group(self, filesystem: str, suite: str) -> Group | None:
        """A suite on a filesystem, if it ran."""
        asked = (filesystem, suite)
        return next((g for g in self.groups if (g.filesystem, g.suite) == asked), None)

    def told_about(self, group: Group, test: str) -> Iterator[ShownComplaint]:
        """The complaints that came while a group ran, and explain a result of this name."""
        book = self._books.get((group.filesystem, group.suite))
        return book.about(test) if book else iter(())

    @cached_property
    def _books(self) -> dict[tuple[str, str], ComplaintBook]:
        found: dict[tuple[str, str], list[ShownComplaint]] = {}
        for told in self.told:
            if told.place is not None:
                found.setdefault(told.place, []).append(told)
        return {place: ComplaintBook(tuple(mine)) for place, mine in found.items()}

    @cached_property
    def elsewhere(self) -> tuple[ShownComplaint, ...]:
        """The complaints that came while nothing of the lab's ran, or nobody knows what."""
        places = {(group.filesystem, group.suite) for group in self.groups}
        return tuple(told for told in self.told if told.place not in places)

    @property
    def untold(self) -> tuple[ShownComplaint, ...]:
        """The complaints that count and that no result tells of."""
        return tuple(told for told in self.told if told.of_job)


@dataclass(frozen=True)
class Report:
    """All that the pages of a run are made from."""

    run: RunRecord
    trail: Trail
    jobs: tuple[Job, ...]
    comparison: Comparison | None = None
    bisected: Bisected = field(default_factory=Bisected)
    goes_on: bool = False

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every result."""
        return tuple(cell for job in self.jobs for group in job.groups for cell in group.cells)

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """The suites of each filesystem, in the order they ran."""
        found: dict[str, list[str]] = {}
        for job in self.jobs:
            for group in job.groups:
                suites = found.setdefault(group.filesystem, [])
                if group.suite not in suites:
                    suites.append(group.suite)
        return found

    @cached_property
    def tests(self) -> dict[tuple[str, str], dict[tuple[int, str], list[Cell]]]:
        """The cells of each test, by (suite, test) and then by (job, filesystem)."""
        found: dict[tuple[str, str], dict[tuple[int, str], list[Cell]]] = {}
        for job in self.jobs:
            for group in job.groups:
                for cell in group.cells:
                    row = found.setdefault((group.suite, cell.result.test), {})
                    row.setdefault((job.number, group.filesystem), []).append(cell)
        return found

    @cached_property
    def series(self) -> tuple[str, ...]:
        """The series in any variant of the run."""
        names = (name for job in self.jobs for name in job.record.variant.series)
        return tuple(dict.fromkeys(names))

    @cached_property
    def past(self) -> dict[tuple[str, str], dict[TestKey, tuple[End, ...]]]:
        """The ends of each test in all runs of the trail, by (suite, test)."""
        found: dict[tuple[str, str], dict[TestKey, tuple[End, ...]]] = {}
        for key, ends in self.trail.ends.items():
            found.setdefault((key.suite, key.test), {})[key] = ends
        return found

    @cached_property
    def past_of_suites(self) -> dict[str, dict[tuple[str, str, Around], list[Counter[Mark]]]]:
        """What each run of the trail came to, by variant and then by filesystem, suite, around."""
        found: dict[str, dict[tuple[str, str, Around], list[Counter[Mark]]]] = {}
        for key, ends in self.trail.ends.items():
            rows = found.setdefault(key.variant, {})
            place = (key.filesystem, key.suite, Around(key.machine, key.config))
            counts = rows.setdefault(place, [Counter() for _ in self.trail.runs])
            for end in ends:
                counts[end.run][mark(end.status, end.expected)] += 1
        return found

    @cached_property
    def counts(self) -> Counter[Mark]:
        """How many results look like what."""
        return Counter(cell.mark for cell in self.cells)


def kernel_page(variant: str) -> str:
    """The page of a variant."""
    return f"kernels/{safe_name(variant)}.html"


def series_page(series: str) -> str:
    """The page of a series."""
    return f"series/{safe_name(series)}.html"


def test_page(suite: str, test: str) -> str:
    """The page of a test."""
    return f"tests/{safe_name(f'{suite}.{test}')}.html"


def log_page(page: str, line: int | None = None) -> str:
    """The page of a log, or a line of it."""
    return f"logs/{page}.html" + (f"#L{line}" if line else "")


def make_report(
    run: RunRecord, trail: Trail, comparison: Comparison | None, folders: Iterable[Path]
) -> Report:
    """Read what the run left in its folder, and lay everything out."""
    run = pooled(run)
    shared = shared_names((*run.results, *trail.ends))
    if shared:
        # Every page, link and row goes by the name then.
        run = run_apart(run, shared)
        trail = replace(
            trail, ends={key_apart(key, shared): ends for key, ends in trail.ends.items()}
        )
        if comparison is not None:
            tests = (replace(t, key=key_apart(t.key, shared)) for t in comparison.tests)
            comparison = replace(comparison, tests=tuple(tests))
    changes = {
        test.key: test
        for test in (comparison.tests if comparison else ())
        if test.change is not Change.SAME
    }
    places = tuple(folders)
    jobs = tuple(_job(places, number, job, changes) for number, job in enumerate(run.jobs))
    return Report(run, trail, jobs, comparison)


def _job(
    folders: tuple[Path, ...], number: int, record: JobRecord, changes: Mapping[TestKey, Compared]
) -> Job:
    name = f"{number:02d}-{safe_name(record.variant)}"
    logs = read_logs(job_folder(folders, number, record), name, record)
    told = complaints(record, logs)
    return Job(number, record, name, logs, told, tuple(_groups(name, record, changes)))


def _groups(name: str, job: JobRecord, changes: Mapping[TestKey, Compared]) -> Iterable[Group]:
    found: dict[tuple[str, str], list[TestResult]] = {}
    for result in job.results:
        found.setdefault((result.filesystem, result.suite), []).append(result)
    for (filesystem, suite), results in found.items():
        page = f"results/{name}.{safe_name(f'{filesystem}.{suite}')}.html"
        cells = _cells(page, job, results, changes)
        yield Group(filesystem, suite, page, tuple(cells))


def _cells(
    page: str, job: JobRecord, results: Iterable[TestResult], changes: Mapping[TestKey, Compared]
) -> Iterable[Cell]:
    seen: Counter[str] = Counter()
    for result in results:
        seen[result.test] += 1
        again = f"--{seen[result.test]}" if seen[result.test] > 1 else ""
        key = TestKey.of(job, result)
        yield Cell(key, result, page, safe_name(result.test) + again, changes.get(key))


def test_command(cell: Cell) -> str:
    """What runs this one test again."""
    result = cell.result
    words = ["lab", "test", cell.key.variant, "-f", result.filesystem, "-s", result.suite]
    around = Around(cell.key.machine, cell.key.config).words()
    chosen = [word for axis in around for word in f"--{axis}".split()]
    return shlex.join([*words, *chosen, "-k", escaped(own_name(result))])


def repro_command(run: RunRecord, job: int, cell: Cell) -> str:
    """What writes a script that boots this guest by hand and runs this one test."""
    result = cell.result
    words = ["lab", "repro", run.id, str(job), "-f", result.filesystem]
    return shlex.join([*words, "-k", escaped(own_name(result))])
