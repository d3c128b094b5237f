# SPDX-License-Identifier: GPL-2.0-only
"""Results keep their program: two of a suite may have tests of one name."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Schema 2 to 3."""
    op.add_column("results", sa.Column("program", sa.String, nullable=False, server_default=""))
