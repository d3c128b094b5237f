# SPDX-License-Identifier: GPL-2.0-only
"""An older lab's database brought to the newest schema, with Alembic.

``schema_version`` holds the schema's number in every database, so that an
older lab sees that it is too old; Alembic's revisions bear the same numbers.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, update

from lab.results.schema import SCHEMA_VERSION, VERSION


def migrate(connection: Connection, version: int) -> None:
    """Bring a database of schema ``version`` to the newest, in the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(
        config,
        script,
        fn=lambda _revision, _context: script._upgrade_revs("head", str(version)),
        destination_rev="head",
    ) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.get_context().stamp(script, str(version))
        environment.run_migrations()
    connection.execute(update(VERSION).values(version=SCHEMA_VERSION))
