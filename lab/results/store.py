# SPDX-License-Identifier: GPL-2.0-only
"""Runs, recorded for good in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from lab.errors import InfrastructureError, UserError
from lab.model.glob import matches
from lab.model.job_error import Fault
from lab.model.records import JobRecord, RunRecord, command_line, is_as_expected, new_run_id, now
from lab.model.spelling import nearest
from lab.model.status import Status
from lab.model.test_key import TestKey
from lab.model.url import Url
from lab.results.database import explained, open_engine, prepare
from lab.results.history import Seen
from lab.results.past_endings import End, Trail
from lab.results.rows import (
    RESULT_COLUMNS,
    end_of,
    evidence_of,
    job_complaints_in,
    job_of,
    job_row,
    number_of,
    result_of,
    result_row,
    run_of,
    run_row,
    text_of,
)
from lab.results.schema import BASELINES, JOBS, RESULTS, RUNS, SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "RunSummary", "Store"]

LATEST = "latest"
#: What SQLite's driver says.
_UNDECODABLE = "Could not decode to UTF-8"
_NO_TEXT = "the database is damaged: text that is not UTF-8 is shown with \ufffd"
_Given = ParamSpec("_Given")
_Read = TypeVar("_Read")


def _reading_all(read: Callable[_Given, _Read]) -> Callable[_Given, _Read]:
    """A method of Store's that reads once more where the first time text was not UTF-8."""

    @wraps(read)
    def reading(*given: _Given.args, **named: _Given.kwargs) -> _Read:
        try:
            return read(*given, **named)
        except InfrastructureError as error:
            store: Any = given[0]
            if _UNDECODABLE not in error.what or store._lenient:
                raise
            store._lenient = True
            return read(*given, **named)

    return reading


@dataclass(frozen=True)
class RunSummary:
    """A run without its results; ``counts`` are (status, number) pairs."""

    run: RunRecord
    jobs: int
    counts: tuple[tuple[Status, int], ...]
    unexpected: int
    baselines: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether any of its results is a word on a kernel."""
        return any(count for status, count in self.counts if status is not Status.ERROR)

    def line(self) -> str:
        """The run in a line, the counts that are not 0 in it."""
        counts = ", ".join(f"{count} {status}" for status, count in self.counts if count)
        end = "" if self.run.finished else ", NOT FINISHED"
        surprises = f", {self.unexpected} not as expected" if self.unexpected else ""
        marks = "".join(f"  [{name}]" for name in self.baselines)
        marks += "".join(f"  ({trouble})" for trouble in self.run.troubles)
        command = command_line(self.run.command)
        return f"{self.run.id}  {counts or 'no results'}{surprises}{end}{marks}  {command}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """The run as values the ``json`` module knows."""
        return {
            "run": self.run.id,
            "started": self.run.started,
            "finished": self.run.finished,
            "command": list(self.run.command),
            "folder": self.run.folder,
            "jobs": self.jobs,
            "counts": {status.value: count for status, count in self.counts},
            "unexpected": self.unexpected,
            "baselines": list(self.baselines),
            "troubles": list(self.run.troubles),
        }


class Store:
    """The database of runs; use ``with Store.open(path) as store:``.

    A run is named by its id, an unambiguous beginning of it, ``latest``,
    ``latest~N`` (the Nth before) or the name of a baseline.
    """

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        #: Whether text that is not UTF-8 is read, too: that takes half as long again.
        self._lenient = False
        self._replaced = 0

    @classmethod
    @contextmanager
    def open(cls, path_or_url: Path | Url | str) -> Iterator[Store]:
        """Open a SQLite file (made when missing) or a database by its URL.

        A database of an older lab is brought to the newest schema.

        Raises:
            UserError: A newer lab made the database, or the URL is of no use.
            InfrastructureError: It cannot be read or written.
        """
        where, engine = open_engine(path_or_url)
        try:
            with explained(where):
                prepare(engine, where)
            yield cls(engine, where)
        finally:
            engine.dispose()

    def begin(self, run: RunRecord) -> str:
        """Record that a run starts, without its jobs; returns its id, a new one if it has none."""
        run_id = run.id or new_run_id()
        row = run_row(replace(run, id=run_id, started=run.started or now(), finished=None))
        with self._write() as connection:
            if connection.scalar(select(RUNS.c.number).where(RUNS.c.id == run_id)) is None:
                connection.execute(insert(RUNS), row)
                return run_id
        if run.id:
            raise InfrastructureError(f"run {run.id} is recorded already", where=self._where)
        return self.begin(run)

    def add_job(self, run_id: str, job: JobRecord) -> None:
        """Record a job that ended, with all its results or not at all.

        Raises:
            UserError: There is no such run.
        """
        with self._write() as connection:
            run = self._numbered(connection, run_id)
            row = {**job_row(job), "run_number": run}
            number = connection.scalar(insert(JOBS).returning(JOBS.c.number), row)
            if job.results:
                rows = [{**result_row(result), "job_number": number} for result in job.results]
                connection.execute(insert(RESULTS), rows)

    def forget_interrupted(self, run_id: str) -> None:
        """Remove the jobs of a run that a signal ended: they are done again."""
        with self._write() as connection:
            mine = and_(
                JOBS.c.run_number == self._numbered(connection, run_id),
                JOBS.c.fault == Fault.INTERRUPTED.value,
            )
            doomed = select(JOBS.c.number).where(mine)
            connection.execute(delete(RESULTS).where(RESULTS.c.job_number.in_(doomed)))
            connection.execute(delete(JOBS).where(mine))

    def forget(self, run_id: str) -> None:
        """Remove a run that has no job."""
        with self._write() as connection:
            has_jobs = exists().where(JOBS.c.run_number == RUNS.c.number)
            connection.execute(delete(RUNS).where(RUNS.c.id == run_id, ~has_jobs))

    def finish(self, run_id: str, at: str | None = None) -> None:
        """Record that all jobs of the run have ended, now or ``at`` an ISO 8601 time."""
        with self._write() as connection:
            ended = {"finished": at or now()}
            number = self._numbered(connection, run_id)
            connection.execute(update(RUNS).where(RUNS.c.number == number).values(ended))

    @_reading_all
    def load(self, run: str = LATEST, *, details: bool = True) -> RunRecord:
        """A whole run; ``latest`` is the one that began last, finished or not.

        Args:
            details: With the results' diagnostics and metrics, half of the time it takes.

        Raises:
            UserError: There is no such run, or there are several.
        """
        replaced = self._replaced
        with self._read() as connection:
            row = self._find(connection, run)
            jobs = tuple(self._jobs(connection, row["number"], details))
        found = run_of(row)
        damage = (_NO_TEXT,) if self._replaced > replaced else ()
        return replace(found, jobs=jobs, troubles=(*found.troubles, *damage))

    def stream(self, run: str = LATEST) -> Iterator[JobRecord]:
        """A run's jobs, one at a time: a run of any size fits into memory."""
        # What it gave cannot be taken back when text turns out to be none.
        self._lenient = True
        with self._read() as connection:
            yield from self._jobs(connection, self._find(connection, run)["number"])

    @_reading_all
    def runs(self, limit: int = 20) -> tuple[RunSummary, ...]:
        """The runs that began last, the latest first."""
        with self._read() as connection:
            query = select(RUNS).order_by(RUNS.c.number.desc()).limit(limit)
            rows = connection.execute(query).mappings().all()
            return _summaries(connection, rows)

    @_reading_all
    def summary(self, run: str = LATEST) -> RunSummary:
        """One run, counted."""
        with self._read() as connection:
            return _summaries(connection, [self._find(connection, run)])[0]

    @_reading_all
    def known(self) -> frozenset[str]:
        """The ids of all runs."""
        with self._read() as connection:
            return frozenset(connection.scalars(select(RUNS.c.id)))

    @_reading_all
    def history(
        self,
        test: str,
        *,
        variant: str = "*",
        filesystem: str = "*",
        suite: str = "*",
        limit: int = 1000,
    ) -> tuple[Seen, ...]:
        """How a test ended in each run that has it, the latest first.

        Args:
            test, variant, filesystem, suite: Globs, case-sensitive.
            limit: Of results, not of runs.
        """
        asked = {"test": test, "variant": variant, "filesystem": filesystem, "suite": suite}
        query = _history(asked)
        found = []
        with self._read() as connection:
            for row in connection.execute(query).mappings():
                # LIKE is only nearly a glob: [] and, in SQLite, case are beyond it.
                if all(matches(text_of(row[name]), (glob,)) for name, glob in asked.items()):
                    found.append(_seen(row))
                    if len(found) == limit:
                        break
        return tuple(found)

    @_reading_all
    def trail(self, run: str = LATEST, limit: int = 30, most: int = 150_000) -> Trail:
        """A run and those before it, with how each test ended.

        Args:
            limit: Of runs.
            most: Of results in all of them: fewer runs then; this one is always whole.
        """
        with self._read() as connection:
            last = self._find(connection, run)["number"]
            query = select(RUNS).where(RUNS.c.number <= last).order_by(RUNS.c.number.desc())
            rows = connection.execute(query.limit(limit)).mappings().all()
            rows = _within(connection, rows, most)[::-1]
            numbers = [row["number"] for row in rows]
            jobs = _bare_jobs(connection, numbers)
            runs = tuple(replace(run_of(row), jobs=tuple(jobs[row["number"]])) for row in rows)
            return Trail(runs, _ends(connection, numbers))

    @_reading_all
    def unstable(self, *runs: RunRecord) -> frozenset[TestKey]:
        """Tests that ended differently in any two runs with one and the same setup.

        Only setups of these runs count; errors of the lab do not.
        """
        setups = {job.evidence.setup for run in runs for job in run.jobs} - {""}
        names = (
            RESULTS.c.variant,
            JOBS.c.machine,
            JOBS.c.config,
            RESULTS.c.filesystem,
            RESULTS.c.suite,
            RESULTS.c.test,
            RESULTS.c.program,
        )
        stopped = or_(RESULTS.c.signal != "", RESULTS.c.broke_off != "")
        query = (
            select(*names)
            .join(JOBS, JOBS.c.number == RESULTS.c.job_number)
            .where(JOBS.c.setup.in_(setups), or_(RESULTS.c.status != Status.ERROR.value, stopped))
            .group_by(JOBS.c.setup, *names)
            .having(func.min(RESULTS.c.status) != func.max(RESULTS.c.status))
        )
        with self._read() as connection:
            return frozenset(TestKey(*map(text_of, row)) for row in connection.execute(query))

    @_reading_all
    def of_setup(self, setup: str, limit: int) -> tuple[tuple[RunRecord, JobRecord], ...]:
        """The jobs with a setup, of runs that came to their end, the latest first.

        Each beside its run, which has no jobs here.

        Args:
            limit: Of jobs.
        """
        query = (
            select(JOBS.c.number, JOBS.c.run_number)
            .join(RUNS, RUNS.c.number == JOBS.c.run_number)
            .where(JOBS.c.setup == setup, RUNS.c.finished.is_not(None))
            .order_by(JOBS.c.number.desc())
        )
        with self._read() as connection:
            found = []
            for number, run in connection.execute(query.limit(limit)).all():
                row = connection.execute(select(RUNS).where(RUNS.c.number == run)).mappings().one()
                (job,) = self._jobs_where(connection, JOBS.c.number == number)
                found.append((run_of(row), job))
            return tuple(found)

    @_reading_all
    def lasted(self, limit: int = 20_000) -> dict[tuple[str, str, str], float]:
        """Seconds that jobs without an error took the last time, by variant, machine and config.

        Args:
            limit: Of jobs, the latest of which are looked at.
        """
        columns = (JOBS.c.variant, JOBS.c.machine, JOBS.c.config, JOBS.c.duration_s)
        query = select(*columns).where(JOBS.c.fault == "").order_by(JOBS.c.number.desc())
        found: dict[tuple[str, str, str], float] = {}
        with self._read() as connection:
            for *names, seconds in connection.execute(query.limit(limit)):
                variant, machine, config = map(text_of, names)
                found.setdefault((variant, machine, config), seconds)
        return found

    @_reading_all
    def baselines(self) -> dict[str, str]:
        """The ids of the runs that bear a name, by name."""
        query = select(BASELINES.c.name, RUNS.c.id).join_from(BASELINES, RUNS)
        with self._read() as connection:
            rows = connection.execute(query.order_by(BASELINES.c.name))
            return {name: run for name, run in rows}  # noqa: C416  # rows are no pairs to mypy

    @_reading_all
    def set_baseline(self, name: str, run: str) -> str:
        """Give a run a name to compare with; returns the run's id.

        A name that another run has goes over to this one.

        Raises:
            UserError: There is no such run, or the name could be taken for a run's.
        """
        if name.startswith(LATEST) or name[:1].isdigit() or not name.strip():
            raise UserError(
                f"{name!r} cannot name a baseline", hint="a name that starts with a letter"
            )
        with self._write() as connection:
            row = self._find(connection, run)
            connection.execute(delete(BASELINES).where(BASELINES.c.name == name))
            connection.execute(insert(BASELINES), {"name": name, "run_number": row["number"]})
        return str(row["id"])

    def _jobs(self, connection: Connection, run: int, details: bool = True) -> Iterator[JobRecord]:
        return self._jobs_where(connection, JOBS.c.run_number == run, details)

    def _jobs_where(
        self, connection: Connection, which: ColumnElement[bool], details: bool = True
    ) -> Iterator[JobRecord]:
        columns: list[Any] = [RESULTS.c[name] for name in RESULT_COLUMNS]
        if not details:
            columns[-2:] = [null(), null()]
        query = select(JOBS).where(which).order_by(JOBS.c.number)
        for job in connection.execute(query).mappings().all():
            mine = select(*columns).where(RESULTS.c.job_number == job["number"])
            rows = connection.execute(mine.order_by(RESULTS.c.number)).all()
            yield job_of(job, tuple(result_of(row) for row in rows))

    def _numbered(self, connection: Connection, run_id: str) -> int:
        """The number of the run with exactly this id."""
        query = select(RUNS.c.number).where(RUNS.c.id == run_id)
        number: int | None = connection.scalar(query)
        if number is None:
            raise self._unknown(run_id)
        return number

    def _find(self, connection: Connection, name: str) -> Any:
        """The row of the run so named."""
        query = select(RUNS).order_by(RUNS.c.number.desc())
        if name.partition("~")[0] == LATEST:
            row = connection.execute(query.offset(_back(name)).limit(1)).mappings().first()
        else:
            row = self._by_name(connection, query, name)
        if row is None:
            raise self._unknown(name)
        return row

    def _by_name(self, connection: Connection, query: Select[Any], name: str) -> Any:
        marked = select(BASELINES.c.run_number).where(BASELINES.c.name == name)
        exact = query.where(or_(RUNS.c.id == name, RUNS.c.number.in_(marked)))
        row = connection.execute(exact).mappings().first()
        if row is not None or not name:
            return row
        begun = query.where(RUNS.c.id.startswith(name, autoescape=True)).limit(5)
        rows = connection.execute(begun).mappings().all()
        if len(rows) > 1:
            raise UserError(
                f"several runs begin with {name}",
                where=self._where,
                hint=", ".join(row["id"] for row in rows),
            )
        return rows[0] if rows else None

    def _unknown(self, name: str) -> UserError:
        if name.partition("~")[0] == LATEST:
            text = "no run is recorded yet" if name == LATEST else f"there are not enough: {name}"
            return UserError(text, where=self._where, hint="lab test")
        near = nearest(name, [*self.baselines(), *self.known()])
        hint = f"{near}; `lab runs` lists them" if near else "lab runs"
        return UserError(f"there is no run {name}", where=self._where, hint=hint)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with explained(self._where), self._engine.connect() as connection:
            self._set_reader(connection)
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        engine = self._engine.execution_options(lab_write=True)
        with explained(self._where), engine.begin() as connection:
            self._set_reader(connection)
            yield connection

    def _set_reader(self, connection: Connection) -> None:
        """Have SQLite give text as it is, or what can be read of it."""
        if connection.dialect.name == "sqlite":
            raw: Any = connection.connection.driver_connection
            raw.text_factory = self._decoded if self._lenient else str

    def _decoded(self, stored: bytes) -> str:
        try:
            return stored.decode()
        except UnicodeDecodeError:
            self._replaced += 1
            return stored.decode(errors="replace")


def _within(connection: Connection, rows: Sequence[Any], most: int) -> Sequence[Any]:
    """As many of these runs, from the first on, as have no more results than ``most``."""
    counts = _counts_of(connection, [row["number"] for row in rows])
    total = 0
    for place, row in enumerate(rows):
        total += sum(count for _, _, count in counts.get(row["number"], ()))
        if place and total > most:
            return rows[:place]
    return rows


def _bare_jobs(connection: Connection, numbers: list[int]) -> dict[int, list[JobRecord]]:
    query = select(JOBS).where(JOBS.c.run_number.in_(numbers)).order_by(JOBS.c.number)
    jobs: dict[int, list[JobRecord]] = {number: [] for number in numbers}
    for row in connection.execute(query).mappings():
        jobs[row["run_number"]].append(job_of(row))
    return jobs


def _ends(connection: Connection, numbers: list[int]) -> dict[TestKey, tuple[End, ...]]:
    query = (
        select(
            JOBS.c.run_number,
            RESULTS.c.status,
            RESULTS.c.expected,
            RESULTS.c.variant,
            JOBS.c.machine,
            JOBS.c.config,
            RESULTS.c.filesystem,
            RESULTS.c.suite,
            RESULTS.c.test,
            RESULTS.c.program,
        )
        .join(JOBS, JOBS.c.number == RESULTS.c.job_number)
        .where(JOBS.c.run_number.in_(numbers))
        .order_by(JOBS.c.run_number, RESULTS.c.number)
    )
    places = {number: place for place, number in enumerate(numbers)}
    # Of hundreds of thousands of rows only a few hundred ends differ.
    known: dict[tuple[Any, ...], End] = {}
    found: dict[tuple[Any, ...], list[End]] = {}
    for row in connection.execute(query):
        number, status, expected, *key = row
        end = (number, status, expected)
        if end not in known:
            known[end] = End(places[number], *end_of(status, expected))
        found.setdefault(tuple(key), []).append(known[end])
    return _with_programs({TestKey(*map(text_of, key)): ends for key, ends in found.items()})


def _with_programs(found: dict[TestKey, list[End]]) -> dict[TestKey, tuple[End, ...]]:
    """With the ends that older labs recorded where the one program is that has such a test."""
    programs: dict[TestKey, list[TestKey]] = {}
    for key in found:
        if key.program:
            programs.setdefault(key.name, []).append(key)
    for name, keys in programs.items():
        if name in found and len(keys) == 1:
            found[keys[0]] = [*found.pop(name), *found[keys[0]]]
    return {key: tuple(sorted(ends, key=lambda end: end.run)) for key, ends in found.items()}


def _back(name: str) -> int:
    """How many runs before the latest one; ``latest~`` is the one before, as in git."""
    _, tilde, number = name.partition("~")
    if not tilde:
        return 0
    if number and not (number.isascii() and number.isdigit() and len(number) < 10):
        raise UserError(f"{name}: no number of runs", hint="latest~1")
    return int(number or 1)


def _history(asked: dict[str, str]) -> Select[Any]:
    likes = [
        RESULTS.c[name].like(_like(glob), escape="\\")
        for name, glob in asked.items()
        if glob != "*"
    ]
    return (
        select(
            *(RESULTS.c[name] for name in _OF_RESULT),
            *(JOBS.c[name] for name in _OF_JOB),
            RUNS.c.id.label("run"),
        )
        .join(JOBS, JOBS.c.number == RESULTS.c.job_number)
        .join(RUNS, RUNS.c.number == JOBS.c.run_number)
        .where(and_(True, *likes))
        .order_by(RUNS.c.number.desc(), RESULTS.c.number)
    )


_OF_RESULT = (
    "variant", "kernel_release", "filesystem", "suite", "test", "program", "status", "expected",
    "message", "duration_s",
)  # fmt: skip
_OF_JOB = ("started", "machine", "config", "setup", "evidence")


def _like(glob: str) -> str:
    """A LIKE pattern that matches all that the glob does."""
    if "[" in glob:
        glob = glob.partition("[")[0] + "*"
    for special in ("\\", "%", "_"):
        glob = glob.replace(special, f"\\{special}")
    return glob.replace("*", "%").replace("?", "_")


def _seen(row: Any) -> Seen:
    values: dict[str, Any] = {name: text_of(row[name]) for name in (*_OF_RESULT, *_OF_JOB, "run")}
    values["duration_s"] = number_of(row["duration_s"])
    values.pop("evidence")
    evidence = evidence_of(row["evidence"])
    status, expected = end_of(row["status"], row["expected"])
    return Seen(
        **{
            **values,
            "status": status,
            "expected": expected,
            "build_key": evidence.get("build_key", ""),
            "accelerator": evidence.get("accelerator", ""),
        }
    )


def _summaries(connection: Connection, rows: Sequence[Any]) -> tuple[RunSummary, ...]:
    numbers = [row["number"] for row in rows]
    jobs = _jobs_of(connection, numbers)
    counts = _counts_of(connection, numbers)
    names = _names_of(connection, numbers)
    complaints = _complaints_of(connection, numbers)
    return tuple(
        RunSummary(
            run_of(row),
            jobs.get(row["number"], 0),
            *_counted(counts.get(row["number"], []), complaints.get(row["number"], 0)),
            tuple(names.get(row["number"], ())),
        )
        for row in rows
    )


def _jobs_of(connection: Connection, numbers: list[int]) -> dict[int, int]:
    query = select(JOBS.c.run_number, func.count()).where(JOBS.c.run_number.in_(numbers))
    rows = connection.execute(query.group_by(JOBS.c.run_number))
    return {number: count for number, count in rows}  # noqa: C416  # rows are no pairs to mypy


def _counts_of(
    connection: Connection, numbers: list[int]
) -> dict[int, list[tuple[Status, Status, int]]]:
    query = (
        select(JOBS.c.run_number, RESULTS.c.status, RESULTS.c.expected, func.count())
        .join(JOBS, JOBS.c.number == RESULTS.c.job_number)
        .where(JOBS.c.run_number.in_(numbers))
        .group_by(JOBS.c.run_number, RESULTS.c.status, RESULTS.c.expected)
    )
    counts: dict[int, list[tuple[Status, Status, int]]] = {}
    for number, status, expected, count in connection.execute(query):
        counts.setdefault(number, []).append((*end_of(status, expected), count))
    return counts


def _names_of(connection: Connection, numbers: list[int]) -> dict[int, list[str]]:
    query = select(BASELINES).where(BASELINES.c.run_number.in_(numbers)).order_by(BASELINES.c.name)
    names: dict[int, list[str]] = {}
    for name, number in connection.execute(query):
        names.setdefault(number, []).append(name)
    return names


def _complaints_of(connection: Connection, numbers: list[int]) -> dict[int, int]:
    """How often the kernels of each run complained while no test ran."""
    query = select(JOBS.c.run_number, JOBS.c.evidence).where(JOBS.c.run_number.in_(numbers))
    counts: dict[int, int] = {}
    for number, evidence in connection.execute(query):
        counts[number] = counts.get(number, 0) + job_complaints_in(evidence)
    return counts


def _counted(
    groups: list[tuple[Status, Status, int]], unexpected: int
) -> tuple[tuple[tuple[Status, int], ...], int]:
    """Results by status, and how many of them are not as expected, ``unexpected`` added."""
    counts = dict.fromkeys(Status, 0)
    for status, expected, count in groups:
        counts[status] += count
        if not is_as_expected(status, expected):
            unexpected += count
    return tuple(counts.items()), unexpected
