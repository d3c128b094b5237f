# SPDX-License-Identifier: GPL-2.0-only
"""What a job ran on as a column of its own, to find flaky tests; named runs."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Schema 1 to 2."""
    op.add_column("jobs", sa.Column("setup", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_jobs_setup", "jobs", ["setup"])
    op.create_index("ix_results_test", "results", ["test"])
    op.create_table(
        "baselines",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("run_number", sa.Integer, sa.ForeignKey("runs.number"), nullable=False),
    )
    _fill_setup()


def _fill_setup() -> None:
    # As Evidence.setup was in this schema: a later one must not change what this does.
    import hashlib
    import json

    names = (
        "build_key", "accelerator", "qemu_version", "machine_description", "programs_digest",
        "image_digest",
    )  # fmt: skip
    jobs = sa.table("jobs", sa.column("number"), sa.column("evidence"), sa.column("setup"))
    connection = op.get_bind()
    for number, text in connection.execute(sa.select(jobs.c.number, jobs.c.evidence)).all():
        try:
            evidence = json.loads(text) if isinstance(text, str) else text
        except ValueError:
            continue  # of one row: the others are brought up
        if evidence.get("build_key"):
            parts = "\0".join(evidence.get(name, "") for name in names)
            setup = hashlib.sha256(parts.encode()).hexdigest()[:24]
            connection.execute(sa.update(jobs).where(jobs.c.number == number).values(setup=setup))
