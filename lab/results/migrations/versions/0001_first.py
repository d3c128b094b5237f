# SPDX-License-Identifier: GPL-2.0-only
"""The first schema: what databases without Alembic's mark hold."""

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: databases older than this one do not exist."""
