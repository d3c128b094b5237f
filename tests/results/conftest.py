# SPDX-License-Identifier: GPL-2.0-only
"""Databases: a file, and a PostgreSQL server that the tests start and end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.results.server import Server, postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real server."""
    with postgresql("-F") as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "results" / "run?s #1.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database of each kind: a path, a URL."""
    if request.param == "sqlite":
        return tmp_path / "results" / "run?s #1.db"
    server: Server = request.getfixturevalue("server")
    return server.new_database()
