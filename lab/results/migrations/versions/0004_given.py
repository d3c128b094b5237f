# SPDX-License-Identifier: GPL-2.0-only
"""Errors that lie in what the lab was given are told from its own."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Schema 3 to 4."""
    given = sa.Column("given", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("results", given)
