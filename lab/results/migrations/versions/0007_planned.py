# SPDX-License-Identifier: GPL-2.0-only
"""What a run was to do as values, told from the words that were shown of it."""

import ast
import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "7"
down_revision = "6"
branch_labels = None
depends_on = None

#: As JobPlan.describe() and Plan.describe() were until then.
_JOB = re.compile(
    r"  (?P<variant>\S+) \(config (?P<config>\S+)\) on machine (?P<machine>\S+): "
    r"(?P<suites>\S+(?:, \S+)*) on (?P<filesystems>\S+?(?:, \S+?)*)"
    r"(?:, tests like (?P<pattern>.*))?"
)
_NAME = re.compile(r"(.+): \d+ builds?, \d+ guests?, \d+ suite runs?")


def upgrade() -> None:
    """Schema 6 to 7."""
    op.add_column("runs", sa.Column("planned", sa.JSON, nullable=True))
    runs = sa.table("runs", sa.column("number"), sa.column("plan"), sa.column("planned", sa.JSON))
    connection = op.get_bind()
    for number, plan in connection.execute(sa.select(runs.c.number, runs.c.plan)).all():
        if planned := _planned(plan):
            update = sa.update(runs).where(runs.c.number == number)
            connection.execute(update.values(planned=planned))


def _planned(stored: Any) -> dict[str, object] | None:
    try:
        lines = json.loads(stored) if isinstance(stored, str) else stored
        name = _NAME.fullmatch(lines[0])
        jobs = [_job(job) for line in lines[1:] if (job := _JOB.fullmatch(line))]
    except (ValueError, TypeError, LookupError, SyntaxError):
        return None  # of one row: the others are brought up
    # Without a digest no run goes on with it.
    return {"name": name[1], "digest": "", "jobs": jobs} if name else None


def _job(found: re.Match[str]) -> dict[str, object]:
    return {
        **{name: found[name] for name in ("variant", "machine", "config")},
        **{name: found[name].split(", ") for name in ("filesystems", "suites")},
        "pattern": found["pattern"] and ast.literal_eval(found["pattern"]),
    }
