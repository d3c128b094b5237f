# SPDX-License-Identifier: GPL-2.0-only
"""Whose fault a job's error is, and why a test did not run, told from the words for it."""

import json

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"
branch_labels = None
depends_on = None

_DID_NOT_RUN = "did not run: "
_INTERRUPTED = "interrupted"
_ENOUGH = "enough results are not as expected (--max-fail)"


def upgrade() -> None:
    """Schema 5 to 6."""
    fault = sa.Column("fault", sa.String(16), nullable=False, server_default="")
    op.add_column("jobs", fault)
    unrun = sa.Column("unrun", sa.String(16), nullable=False, server_default="")
    op.add_column("results", unrun)
    _fill_fault()
    _fill_unrun()


def _fill_fault() -> None:
    names = ("number", "error", "evidence", "fault")
    jobs = sa.table("jobs", *(sa.column(name) for name in names))
    failed = sa.select(jobs.c.number, jobs.c.error, jobs.c.evidence).where(
        jobs.c.error.is_not(None)
    )
    connection = op.get_bind()
    for number, error, evidence in connection.execute(failed).all():
        fault = "given" if _is_given(evidence) else "machine"
        if error == _INTERRUPTED and fault == "machine":
            fault = "interrupted"
        connection.execute(sa.update(jobs).where(jobs.c.number == number).values(fault=fault))


def _is_given(stored: object) -> bool:
    try:
        evidence = json.loads(stored) if isinstance(stored, str) else stored
    except ValueError:
        return False  # of one row: the others are brought up
    return isinstance(evidence, dict) and evidence.get("given") is True


def _fill_unrun() -> None:
    results = sa.table("results", *(sa.column(name) for name in ("status", "message", "unrun")))
    message = results.c.message
    kinds = sa.case(
        (message == _DID_NOT_RUN + _INTERRUPTED, "interrupted"),
        (message == _DID_NOT_RUN + _ENOUGH, "enough"),
        else_="lost",
    )
    unrun = sa.and_(results.c.status == "error", message.startswith(_DID_NOT_RUN))
    op.get_bind().execute(sa.update(results).where(unrun).values(unrun=kinds))
