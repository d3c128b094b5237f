# SPDX-License-Identifier: GPL-2.0-only
"""Runs, recorded for good in a database."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    URL,
    Engine,
    ForeignKey,
    String,
    create_engine,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from lab.config.model import Status
from lab.errors import InfrastructureError, UserError
from lab.results.record import (
    JobRecord,
    RunRecord,
    TestResult,
    is_as_expected,
    new_run_id,
    now,
)

SCHEMA_VERSION = 1
_BUSY_MS = 30_000

# The columns bear the names of the records' fields.
_RUN = TypeAdapter(RunRecord)
_JOB = TypeAdapter(JobRecord)
_RESULT = TypeAdapter(TestResult)


class _Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's way
        list[str]: JSON,
        list[Any]: JSON,
        dict[str, Any]: JSON,
    }


class _Schema(_Base):
    __tablename__ = "schema_version"
    version: Mapped[int] = mapped_column(primary_key=True)


class _Run(_Base):
    __tablename__ = "runs"
    #: Order of beginning; ids of one second do not tell it.
    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    started: Mapped[str]
    finished: Mapped[str | None]
    command: Mapped[list[str]]
    lab_version: Mapped[str]
    host: Mapped[dict[str, Any]]
    plan: Mapped[list[str]]
    folder: Mapped[str]
    jobs: Mapped[list[_Job]] = relationship(order_by="_Job.number")


class _Job(_Base):
    __tablename__ = "jobs"
    number: Mapped[int] = mapped_column(primary_key=True)
    run_number: Mapped[int] = mapped_column(ForeignKey("runs.number"), index=True)
    variant: Mapped[str]
    kernel_release: Mapped[str]
    machine: Mapped[str]
    config: Mapped[str]
    started: Mapped[str]
    duration_s: Mapped[float]
    evidence: Mapped[dict[str, Any]]
    error: Mapped[str | None]
    results: Mapped[list[_Result]] = relationship(order_by="_Result.number")


class _Result(_Base):
    __tablename__ = "results"
    number: Mapped[int] = mapped_column(primary_key=True)
    job_number: Mapped[int] = mapped_column(ForeignKey("jobs.number"), index=True)
    variant: Mapped[str]
    kernel_release: Mapped[str]
    filesystem: Mapped[str]
    suite: Mapped[str]
    test: Mapped[str]
    status: Mapped[str] = mapped_column(String(16))
    expected: Mapped[str] = mapped_column(String(16))
    duration_s: Mapped[float]
    message: Mapped[str]
    diagnostics: Mapped[list[str]]
    metrics: Mapped[list[Any]]
    reason: Mapped[str]


@dataclass(frozen=True)
class RunSummary:
    """A run without its results; ``counts`` are (status, number) pairs."""

    run: RunRecord
    jobs: int
    counts: tuple[tuple[Status, int], ...]
    unexpected: int

    def line(self) -> str:
        """The run in a line, the counts that are not 0 in it."""
        counts = ", ".join(f"{count} {status}" for status, count in self.counts if count)
        end = "" if self.run.finished else ", NOT FINISHED"
        surprises = f", {self.unexpected} not as expected" if self.unexpected else ""
        command = shlex.join(self.run.command)
        return f"{self.run.id}  {counts or 'no results'}{surprises}{end}  {command}".rstrip()

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
        }


class Store:
    """The database of runs; use ``with Store.open(path) as store:``."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where

    @classmethod
    @contextmanager
    def open(cls, path_or_url: Path | str) -> Iterator[Store]:
        """Open a SQLite file (made when missing) or any database SQLAlchemy has a URL for.

        Raises:
            UserError: A newer lab made the database.
            InfrastructureError: It cannot be read or written.
        """
        where, engine = _engine(path_or_url)
        try:
            with _explained(where):
                _prepare(engine, where)
            yield cls(engine, where)
        finally:
            engine.dispose()

    def begin(self, run: RunRecord) -> str:
        """Record that a run starts, without its jobs; returns its id, a new one if it has none."""
        run_id = run.id or new_run_id()
        try:
            with self._write() as session:
                session.add(_run_row(replace(run, id=run_id)))
        except IntegrityError:
            if run.id:
                raise InfrastructureError(
                    f"run {run.id} is recorded already", where=self._where
                ) from None
            return self.begin(run)
        return run_id

    def add_job(self, run_id: str, job: JobRecord) -> None:
        """Record a job that ended, with all its results or not at all.

        Raises:
            UserError: There is no such run.
        """
        with self._write() as session:
            row = _job_row(job)
            row.run_number = self._find(session, run_id).number
            session.add(row)

    def finish(self, run_id: str) -> None:
        """Record that all jobs of the run have ended, now."""
        with self._write() as session:
            changed = (
                update(_Run).where(_Run.id == run_id).values(finished=now()).returning(_Run.id)
            )
            if session.scalar(changed) is None:
                raise self._unknown(run_id)

    def load(self, run_id: str = "latest") -> RunRecord:
        """A whole run; ``latest`` is the one that began last, finished or not.

        Raises:
            UserError: There is no such run.
        """
        with self._read() as session:
            row = self._find(session, run_id)
            return replace(_run(row), jobs=tuple(_job(job) for job in row.jobs))

    def runs(self, limit: int = 20) -> tuple[RunSummary, ...]:
        """The runs that began last, the latest first."""
        with self._read() as session:
            rows = session.scalars(select(_Run).order_by(_Run.number.desc()).limit(limit))
            return tuple(_summary(session, row) for row in rows)

    def _find(self, session: Session, run_id: str) -> _Run:
        query = select(_Run).order_by(_Run.number.desc()).limit(1)
        if run_id != "latest":
            query = query.where(_Run.id == run_id)
        row = session.scalar(query)
        if row is None:
            raise self._unknown(run_id)
        return row

    def _unknown(self, run_id: str) -> UserError:
        if run_id == "latest":
            return UserError("no run is recorded yet", where=self._where, hint="lab test")
        return UserError(f"there is no run {run_id}", where=self._where, hint="lab runs")

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with _explained(self._where), Session(self._engine) as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        engine = self._engine.execution_options(lab_write=True)
        with _explained(self._where), Session(engine) as session, session.begin():
            yield session


def _engine(path_or_url: Path | str) -> tuple[str, Engine]:
    if isinstance(path_or_url, str) and "://" in path_or_url:
        engine = create_engine(path_or_url)
        where = engine.url.render_as_string(hide_password=True)
    else:
        where = str(path_or_url)
        with _explained(where):
            Path(where).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(URL.create("sqlite", database=where))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return where, engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own idea of when a transaction begins is in the way of ours.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Any) -> None:
    # A transaction that reads first and writes later fails at once, whatever the
    # busy timeout, when another wrote in between (SQLITE_BUSY_SNAPSHOT).
    write = connection.get_execution_options().get("lab_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare(engine: Engine, where: str) -> None:
    """Make the tables in an empty database; refuse one of a newer lab."""
    with engine.connect() as connection:
        made = engine.dialect.has_table(connection, _Schema.__tablename__)
    if not made:
        # Under the write lock, so that of two processes one makes the tables.
        with engine.execution_options(lab_write=True).begin() as connection:
            _Base.metadata.create_all(connection)
            if connection.scalar(select(func.count()).select_from(_Schema)) == 0:
                connection.execute(insert(_Schema).values(version=SCHEMA_VERSION))
    with engine.connect() as connection:
        version = connection.scalar(select(func.max(_Schema.version))) or 0
    if version > SCHEMA_VERSION:
        raise UserError(
            f"a newer lab made this database (schema {version}, this lab knows {SCHEMA_VERSION})",
            where=where,
            hint="update the lab, or set paths.results in lab.local.toml to another folder",
        )


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise InfrastructureError(
            f"the results cannot be read or recorded: {cause}",
            where=where,
            hint="check the file's permissions and the disk's free space",
        ) from error


def _run_row(run: RunRecord) -> _Run:
    values = _RUN.dump_python(run, mode="json", exclude={"jobs", "finished"})
    return _Run(**{**values, "started": run.started or now()})


def _job_row(job: JobRecord) -> _Job:
    values = _JOB.dump_python(job, mode="json", exclude={"results"})
    return _Job(**values, results=[_Result(**_dumped(result)) for result in job.results])


def _dumped(result: TestResult) -> dict[str, Any]:
    values: dict[str, Any] = _RESULT.dump_python(result, mode="json")
    return values


def _run(row: _Run) -> RunRecord:
    return _RUN.validate_python(_columns(row))


def _job(row: _Job) -> JobRecord:
    results = tuple(_RESULT.validate_python(_columns(result)) for result in row.results)
    return replace(_JOB.validate_python(_columns(row)), results=results)


def _columns(row: _Base) -> dict[str, Any]:
    # Keys of the tables are columns too, but no fields: pydantic passes them over.
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}


def _summary(session: Session, row: _Run) -> RunSummary:
    jobs = select(func.count()).select_from(_Job).where(_Job.run_number == row.number)
    grouped = session.execute(
        select(_Result.status, _Result.expected, func.count())
        .join(_Job, _Job.number == _Result.job_number)
        .where(_Job.run_number == row.number)
        .group_by(_Result.status, _Result.expected)
    )
    counts = dict.fromkeys(Status, 0)
    unexpected = 0
    for status, expected, count in grouped:
        counts[Status(status)] += count
        if not is_as_expected(Status(status), Status(expected)):
            unexpected += count
    return RunSummary(_run(row), session.scalar(jobs) or 0, tuple(counts.items()), unexpected)
