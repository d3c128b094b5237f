# SPDX-License-Identifier: GPL-2.0-only
"""Results keep the kernel's complaint that made them what they are beside the words for it."""

import re

import sqlalchemy as sa
from alembic import op

revision = "8"
down_revision = "7"
branch_labels = None
depends_on = None

#: How a complaint began a message until then, and where it ended there.
_COMPLAINT = re.compile(
    r"(?:oops|bug|panic|warning|lockdep|suspicious-rcu|atomic|kasan|kcsan|kmsan|kfence|ubsan|slab"
    r"|leak|soft-lockup|hard-lockup|hung-task|rcu-stall|workqueue-lockup|oom-kill|bad-page"
    r"|bad-rss|refcount|stack|double-fault|filesystem|unknown|triple-fault|reboot|silent-death"
    r"|hang): .*?(?= \(the test itself: |; |$)"
)


def upgrade() -> None:
    """Schema 7 to 8."""
    complaint = sa.Column("complaint", sa.String, nullable=False, server_default="")
    op.add_column("results", complaint)
    names = ("number", "status", "message", "complaint")
    results = sa.table("results", *(sa.column(name) for name in names))
    dead = sa.select(results.c.number, results.c.message).where(
        results.c.status.in_(("crash", "timeout"))
    )
    connection = op.get_bind()
    for number, message in connection.execute(dead).all():
        # SQLite keeps whatever it is given: of one such row the others are brought up.
        if found := _COMPLAINT.match(message) if isinstance(message, str) else None:
            update = sa.update(results).where(results.c.number == number)
            connection.execute(update.values(complaint=found[0]))
