# SPDX-License-Identifier: GPL-2.0-only
"""Older databases, servers, and databases that are of no use."""

from __future__ import annotations

import os
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lab.errors import InfrastructureError, UserError
from lab.model.proof import unproved
from lab.model.status import Status
from lab.process import ProcessKilled
from lab.process import run as run_process
from lab.results.database import open_engine
from lab.results.schema import METADATA, SCHEMA_VERSION
from lab.results.store import Store
from tests.results.made import job, result, run
from tests.results.server import Server

pytestmark = pytest.mark.slow

SCHEMA_1 = (Path(__file__).parent / "schema-1.sql").read_text()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A database that the first lab made, with two runs in it."""
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / "lab.db") as connection:
            connection.executescript(SCHEMA_1)
        return tmp_path / "lab.db"
    server: Server = request.getfixturevalue("server")
    url = server.new_database()
    name = url.rpartition("@/")[2].partition("?")[0]
    # What SQLAlchemy called these there.
    script = SCHEMA_1.replace("\tnumber INTEGER", "\tnumber SERIAL").replace("DOUBLE", "FLOAT")
    numbers = "".join(
        f"SELECT setval('{table}_number_seq', (SELECT max(number) FROM {table}));"
        for table in ("runs", "jobs", "results")
    )
    server.sql(name, script + numbers)
    return url


def test_an_old_database_is_brought_up(old: Path | str) -> None:
    with Store.open(old) as store:
        first, second = store.load("run-1"), store.load("run-2")
        assert first.results == second.results
        assert len(first.results) == 5
        assert {result.program for result in first.results} == {""}
        assert {result.users_fault for result in first.results} == {False}
        assert str(first.jobs[1].error) == "no space\nleft"
        proof = (("mounts", "/dev/pmem0 /mnt ext4 rw,dax=always"), ("statx", "DAX"))
        assert [one.evidence.proofs for one in (*first.jobs, *second.jobs)] == [
            (("ext4-dax", (("dax", proof),)),)
        ] * 4
        assert unproved(first.jobs[0].evidence, "ext4-dax") == ""
        assert unproved(first.jobs[0].evidence, "xfs-dax") == "DAX"
        # The new column is filled: equal setups with unequal ends can be found.
        run_id = store.begin(run(id=""))
        again = job(result("x", Status.PASS))
        store.add_job(run_id, replace(again, evidence=first.jobs[0].evidence))
        assert {key.test for key in store.unstable(first)} == {"x"}
        store.set_baseline("good", "run-1")
    with Store.open(old) as store:
        assert store.load("good").id == "run-1"
        assert [summary.run.id for summary in store.runs()] == [run_id, "run-2", "run-1"]


def test_the_steps_make_what_the_tables_say(old: Path | str) -> None:
    with Store.open(old):
        pass
    _, engine = open_engine(old)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_labs_that_meet_an_old_database_at_once(old: Path | str) -> None:
    def look(_: int) -> int:
        with Store.open(old) as store:
            return len(store.runs())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(look, range(4))) == [2] * 4


def test_a_database_that_another_writes_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lab.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.executescript(SCHEMA_1)
    other.execute("BEGIN IMMEDIATE")

    def look() -> int:
        with Store.open(path) as store:
            return len(store.runs())

    with closing(other), ThreadPoolExecutor(1) as pool:
        runs = pool.submit(look)
        with pytest.raises(TimeoutError):
            runs.result(0.2)
        other.execute("COMMIT")
        assert runs.result(20) == 2


def test_labs_that_meet_an_empty_database_at_once(place: Path | str) -> None:
    def record(number: int) -> None:
        with Store.open(place) as store:
            store.begin(run(id=f"run-{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))
    with Store.open(place) as store:
        assert len(store.runs()) == 4


def test_a_killed_migration_leaves_the_old_database(tmp_path: Path) -> None:
    path = tmp_path / "lab.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA_1)
    script = f"""
import os, signal
from pathlib import Path
from lab.results import migrations, store
from sqlalchemy import update
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
migrations.update = die
with store.Store.open(Path({str(path)!r})): pass
"""
    root = Path(__file__).parents[2]
    with pytest.raises(ProcessKilled, match="was ended by SIGKILL"):
        run_process([sys.executable, "-c", script], cwd=root)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        assert "setup" not in columns
    with Store.open(path) as store:
        assert len(store.load("run-1").results) == 5


def test_a_newer_server_is_refused(server: Server) -> None:
    url = server.new_database()
    with Store.open(url):
        pass
    name = url.rpartition("@/")[2].partition("?")[0]
    server.sql(name, "UPDATE schema_version SET version = version + 1")
    with pytest.raises(UserError, match=f"schema {SCHEMA_VERSION + 1}") as caught, Store.open(url):
        pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("postgresql://lab:hunter2@127.0.0.1:1/x", InfrastructureError, "refused"),
        ("postgresql://lab:hunter2@127.0.0.1:1/x?password=hunter2", InfrastructureError, "refused"),
        ("postgresql://lab:hunter2@[::1", UserError, "no URL"),
        ("postgresql://lab:hunter2@host:port/x", UserError, "no URL"),
        ("quark://lab:hunter2@host/x", UserError, "no kind of database"),
        ("mysql+mysqldb://lab:hunter2@host/x", UserError, "MySQLdb"),
    ],
)
def test_urls_of_no_use(url: str, error: type[Exception], said: str) -> None:
    """What is wrong is said, the password is not."""
    with pytest.raises(error, match=said) as caught, Store.open(url):
        pass
    shown = str(caught.value) + repr(caught.value)
    assert "hunter2" not in shown
    assert "try: " in shown


def test_a_wrong_password_is_not_shown(server: Server) -> None:
    url = server.url("postgres", "wr0ng-hunter2")
    with pytest.raises(InfrastructureError, match="password") as caught, Store.open(url):
        pass
    assert "hunter2" not in str(caught.value)
    assert ":***@" in str(caught.value)


def test_a_locked_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.results.database._BUSY_MS", 50)
    with Store.open(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(InfrastructureError, match="locked") as caught:
            store.begin(run())
        holder.close()
        assert "another process" in str(caught.value.hint)
        store.begin(run())


def test_a_damaged_file(path: Path) -> None:
    with Store.open(path) as store:
        store.begin(run())
        store.add_job(run().id, job(*(result(f"t{number}") for number in range(500))))
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with (
        pytest.raises(InfrastructureError, match=r"malformed|not a database") as caught,
        Store.open(path) as store,
    ):
        store.load()
    assert "results.json" in str(caught.value.hint)
