# SPDX-License-Identifier: GPL-2.0-only
"""Results keep their program's own word for that it could not test: no error of the lab's."""

import re

import sqlalchemy as sa
from alembic import op

revision = "10"
down_revision = "9"
branch_labels = None
depends_on = None

#: As a message of LTP's began until then.
_BROKE_OFF = re.compile(r"(TBROK|TWARN): ")


def upgrade() -> None:
    """Schema 9 to 10."""
    column = sa.Column("broke_off", sa.String(16), nullable=False, server_default="")
    op.add_column("results", column)
    names = ("number", "status", "message", "broke_off")
    results = sa.table("results", *(sa.column(name) for name in names))
    said = sa.select(results.c.number, results.c.message).where(
        results.c.status == "error", results.c.message.startswith("T")
    )
    connection = op.get_bind()
    for number, message in connection.execute(said).all():
        # SQLite keeps whatever it is given: of one such row the others are brought up.
        if found := _BROKE_OFF.match(message) if isinstance(message, str) else None:
            update = sa.update(results).where(results.c.number == number)
            connection.execute(update.values(broke_off=found[1]))
