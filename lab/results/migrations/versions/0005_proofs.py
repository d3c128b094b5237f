# SPDX-License-Identifier: GPL-2.0-only
"""The proof of DAX is one among those that filesystems may owe."""

import json

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Schema 4 to 5."""
    # As text where the database has it so: of one row that is damaged the others are brought up.
    jobs = sa.table("jobs", sa.column("number"), sa.column("evidence"))
    typed = sa.table("jobs", sa.column("number"), sa.column("evidence", sa.JSON))
    connection = op.get_bind()
    for number, stored in connection.execute(sa.select(jobs.c.number, jobs.c.evidence)).all():
        try:
            evidence = json.loads(stored) if isinstance(stored, str) else stored
            dax = evidence.pop("dax")
            evidence["proofs"] = [[name, [["dax", said]]] for name, said in dax]
        except (ValueError, TypeError, LookupError, AttributeError):
            continue
        update = sa.update(typed).where(typed.c.number == number)
        connection.execute(update.values(evidence=evidence))
