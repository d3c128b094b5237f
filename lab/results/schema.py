# SPDX-License-Identifier: GPL-2.0-only
"""The database's tables, as the newest schema has them.

A change here needs a step in ``lab/results/migrations/versions`` and a number
one higher; a test compares what the steps make with what is written here.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    false,
)

SCHEMA_VERSION = 10


class Text(TypeDecorator[str]):
    """Text that every database takes: no NUL (PostgreSQL refuses it), no lone surrogates.

    A guest may print anything, and a result must not be lost for it.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored, as undecodable bytes are."""
        return None if value is None else clean(value)


class Json(TypeDecorator[Any]):
    """JSON, the same cleaning done to every text in it."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """As Text does; ``json`` itself escapes what is not ASCII."""
        escaped = json.dumps(value)
        if "\\u0000" not in escaped and "\\ud" not in escaped:
            return value
        return _cleaned(value)


def clean(text: str) -> str:
    """The text with U+FFFD for each character that some database refuses."""
    if text.isascii() and "\0" not in text:
        return text
    return (
        text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


METADATA = MetaData()

VERSION = Table(
    "schema_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False)
)

RUNS = Table(
    "runs",
    METADATA,
    #: Order of beginning; ids of one second do not tell it.
    Column("number", Integer, primary_key=True),
    Column("id", String(64), unique=True, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text),
    Column("command", Json, nullable=False),
    Column("lab_version", Text, nullable=False),
    Column("host", Json, nullable=False),
    Column("plan", Json, nullable=False),
    Column("folder", Text, nullable=False),
    #: What ``plan`` says, as values; NULL where nobody knows.
    Column("planned", Json),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("run_number", ForeignKey("runs.number"), index=True, nullable=False),
    Column("variant", Text, nullable=False),
    Column("kernel_release", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("error", Text),
    #: ``Evidence.setup``, to find other runs of the same.
    Column("setup", String(64), index=True, nullable=False, server_default=""),
    #: Whose the error is; "" without one.
    Column("fault", String(16), nullable=False, server_default=""),
)

RESULTS = Table(
    "results",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("job_number", ForeignKey("jobs.number"), index=True, nullable=False),
    Column("variant", Text, nullable=False),
    Column("kernel_release", Text, nullable=False),
    Column("filesystem", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("test", Text, index=True, nullable=False),
    Column("status", String(16), nullable=False),
    Column("expected", String(16), nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("diagnostics", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("reason", Text, nullable=False),
    #: "" in rows of older labs, which did not keep it.
    Column("program", Text, nullable=False, server_default=""),
    Column("given", Boolean, nullable=False, server_default=false()),
    #: Why nobody ran it; "" where somebody did.
    Column("unrun", String(16), nullable=False, server_default=""),
    #: Of the kernel's, that made it what it is; "" where none did.
    Column("complaint", Text, nullable=False, server_default=""),
    #: That killed its program; "" where none did.
    Column("signal", String(16), nullable=False, server_default=""),
    #: Its program's own word for that it could not test; "" for none.
    Column("broke_off", String(16), nullable=False, server_default=""),
)

BASELINES = Table(
    "baselines",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("run_number", ForeignKey("runs.number"), nullable=False),
)
