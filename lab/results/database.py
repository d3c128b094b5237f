# SPDX-License-Identifier: GPL-2.0-only
"""Opening the database: a file or a server, its tables made or brought up to date."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from lab.errors import InfrastructureError, LabError, UserError
from lab.model.url import Url
from lab.process.deadline import Deadline
from lab.results.rows import DAMAGED
from lab.results.schema import METADATA, SCHEMA_VERSION, VERSION

_BUSY_MS = 30_000
_BUSY_AGAIN_S = 0.01
_CONNECT_S = 10
#: Any number will do: labs that open one new or old PostgreSQL database take turns by it.
_ADVISORY_LOCK = 0x1AB
_MOVE_AWAY = (
    "move the file away: the next run starts a new one, and the runs' folders keep "
    "their results.json"
)
_URL = "postgresql://USER@HOST/NAME, the password in ~/.pgpass or PGPASSWORD"


def open_engine(path_or_url: Path | Url | str) -> tuple[str, Engine]:
    """An engine, and what to call the database: a path, or its URL without a password.

    Raises:
        UserError: The URL is none, or needs a driver that is not installed.
        InfrastructureError: The file's folder cannot be made.
    """
    if isinstance(path_or_url, str) and "://" in path_or_url:
        path_or_url = Url(path_or_url)
    if isinstance(path_or_url, Url):
        where, engine = _from_url(path_or_url.with_secrets)
    else:
        where = str(path_or_url)
        with explained(where):
            Path(where).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(URL.create("sqlite", database=where), json_deserializer=_json)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return where, engine


def _from_url(text_of_url: str) -> tuple[str, Engine]:
    # Whatever goes wrong here, the text itself is not printed: it may hold a password.
    try:
        url = make_url(text_of_url)
    except (ArgumentError, ValueError):
        raise UserError("database.url is no URL of a database", hint=_URL) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    where = _printable(url)
    # A server that cannot be reached must not hold a run up for minutes.
    arguments = {"connect_timeout": _CONNECT_S} if url.drivername.startswith("postgresql") else {}
    try:
        return where, create_engine(url, connect_args=arguments, json_deserializer=_json)
    except NoSuchModuleError:
        raise UserError(f"{url.drivername} is no kind of database", hint=_URL) from None
    except ModuleNotFoundError as error:
        raise UserError(
            f"the database needs the Python module {error.name}",
            where=where,
            # By its own name: an index has another program that is called lab.
            hint=f"{sys.executable} -m pip install 'psycopg[binary]>=3.1'",
        ) from None


def _json(stored: str) -> Any:
    # Most results have neither diagnostics nor metrics.
    if stored == "[]":
        return []
    try:
        return json.loads(stored)
    except (ValueError, TypeError, RecursionError):
        # Of one row: the others can be read.
        return DAMAGED


def _printable(url: URL) -> str:
    query = {name: "***" if "pass" in name else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own idea of when a transaction begins is in the way of ours.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    _use_wal(connection)
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite reads which mode the file has and turns that read lock into a write lock: of
    # two that do so at once one is told "locked" whatever the busy timeout is, since
    # waiting with a read lock held would never end (sqlite3_busy_handler()).
    deadline = Deadline("database", _BUSY_MS / 1000)
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or deadline.passed:
                raise
            time.sleep(_BUSY_AGAIN_S)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once, whatever the
    # busy timeout, when another wrote in between (SQLITE_BUSY_SNAPSHOT).
    write = connection.get_execution_options().get("lab_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def prepare(engine: Engine, where: str) -> None:
    """Make the tables in an empty database, migrate an older one.

    Raises:
        UserError: A newer lab made it.
        SQLAlchemyError: It cannot be read or written.
    """
    with engine.connect() as connection:
        version = _version(connection, where)
    if version != SCHEMA_VERSION:
        # One transaction, under the write lock: of two processes one does it, and a kill
        # leaves the database as it was.
        with engine.execution_options(lab_write=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            _bring_up(connection, where)


def _version(connection: Connection, where: str) -> int | None:
    """The schema's number; None in a database without our tables."""
    if not connection.dialect.has_table(connection, VERSION.name):
        return None
    versions = list(connection.scalars(select(VERSION.c.version)))
    # SQLite keeps whatever it is given, whatever the column's type.
    if any(type(version) is not int or version < 1 for version in versions):
        raise InfrastructureError(
            f"the database is damaged: its schema is {versions[0]!r}", where=where, hint=_MOVE_AWAY
        )
    return max(versions, default=None)


def _bring_up(connection: Connection, where: str) -> None:
    version = _version(connection, where)
    if version is None:
        METADATA.create_all(connection)
        connection.execute(insert(VERSION), {"version": SCHEMA_VERSION})
    elif version > SCHEMA_VERSION:
        raise UserError(
            f"a newer lab made this database (schema {version}, this lab knows {SCHEMA_VERSION})",
            where=where,
            hint="update the lab, or give it another database: [paths] results or "
            "[database] url in lab.local.toml",
        )
    elif version < SCHEMA_VERSION:
        _migrate(connection, version, where)


def _migrate(connection: Connection, version: int, where: str) -> None:
    # Alembic: only a database of before needs it.
    from lab.results.migrations import migrate

    try:
        migrate(connection, version)
    except (SQLAlchemyError, LabError):
        raise
    except Exception as error:
        # What is there is not what any lab made.
        raise InfrastructureError(
            f"the database is damaged: it cannot be brought from schema {version} to "
            f"{SCHEMA_VERSION}: {type(error).__name__}: {error}",
            where=where,
            hint=_MOVE_AWAY,
        ) from error


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Errors of the database as the lab's own."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise _as_ours(error, where) from error


def _as_ours(error: SQLAlchemyError | OSError, where: str) -> InfrastructureError:
    cause = str(getattr(error, "orig", None) or error).strip().strip("'")
    return InfrastructureError(
        f"the results cannot be read or recorded: {cause.splitlines()[0] if cause else error!r}",
        where=where,
        hint=next(
            (hint for pattern, hint in _HINTS.items() if re.search(pattern, cause)),
            "check the file's permissions and the disk's free space",
        ),
    )


_HINTS = {
    r"locked": "another process has held it for 30 s: wait, or end that process",
    r"malformed|not a database|corrupt": _MOVE_AWAY,
    r"readonly|read-only|unable to open": "check who owns the file and its folder",
    r"disk is full|No space left": "free some space: lab gc, or another [paths] results",
    r"password|authentication|role ": "check the user, ~/.pgpass or PGPASSWORD",
    r"connection|could not translate|timeout": "check that the server runs and can be reached",
}
