# SPDX-License-Identifier: GPL-2.0-only
"""Results keep the signal that killed their program: that is no error of the lab's."""

import re

import sqlalchemy as sa
from alembic import op

revision = "9"
down_revision = "8"
branch_labels = None
depends_on = None

#: As a message began until then.
_BEGINS = "was killed by "
_KILLED = re.compile(_BEGINS + r"(SIG\w+|signal \d+)")


def upgrade() -> None:
    """Schema 8 to 9."""
    op.add_column("results", sa.Column("signal", sa.String(16), nullable=False, server_default=""))
    results = sa.table("results", *(sa.column(name) for name in ("number", "message", "signal")))
    killed = sa.select(results.c.number, results.c.message).where(
        results.c.message.startswith(_BEGINS)
    )
    connection = op.get_bind()
    for number, message in connection.execute(killed).all():
        # SQLite keeps whatever it is given: of one such row the others are brought up.
        if found := _KILLED.match(message) if isinstance(message, str) else None:
            update = sa.update(results).where(results.c.number == number)
            connection.execute(update.values(signal=found[1]))
