# SPDX-License-Identifier: GPL-2.0-only
"""The database: what goes in comes out, whatever else happens."""

from __future__ import annotations

import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lab.config.model import Status
from lab.errors import InfrastructureError, UserError
from lab.process import run as run_process
from lab.results.store import SCHEMA_VERSION, Store
from tests.results.made import job, result, run, slow_and_fast

RECORD = run(
    job(
        result(metrics=slow_and_fast(), diagnostics=("a", "b\ufffd\x01")),
        result("x", Status.FAIL, expected=Status.FAIL, reason="the bug", message="1 of 1024"),
        result("y", Status.ERROR, message="planned 40 tests, reported 12"),
        result("z", Status.SKIP, message="no mlock2"),
        result("z", Status.SKIP, expected=Status.SKIP, reason="no 2 MiB pages"),
    ),
    job(variant="v4.2", error="no space\nleft"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "run?s #1.db"


def test_round_trip(path: Path) -> None:
    with Store.open(path) as store:
        assert store.begin(RECORD) == RECORD.id
        for record in RECORD.jobs:
            store.add_job(RECORD.id, record)
        store.finish(RECORD.id)
    with Store.open(path) as store:
        loaded = store.load()
    assert loaded.finished is not None
    assert replace(loaded, finished=RECORD.finished) == RECORD


def test_latest_is_the_run_that_began_last(path: Path) -> None:
    with Store.open(path) as store:
        first = store.begin(replace(RECORD, id="20991231-000000-zzzz"))
        second = store.begin(replace(RECORD, id=""))
        assert store.load("latest").id == store.load().id == second
        assert store.load(first).id == first
        assert [summary.run.id for summary in store.runs()] == [second, first]
        assert [summary.run.id for summary in store.runs(limit=1)] == [second]


def test_summaries_count(path: Path) -> None:
    with Store.open(path) as store:
        store.begin(RECORD)
        for record in RECORD.jobs:
            store.add_job(RECORD.id, record)
        (summary,) = store.runs()
    assert summary.run.finished is None
    assert summary.jobs == 2
    assert {status: count for status, count in summary.counts if count} == {
        Status.PASS: 1,
        Status.FAIL: 1,
        Status.SKIP: 2,
        Status.ERROR: 1,
    }
    assert summary.unexpected == 2
    assert summary.line() == (
        "20260101-120000-ab12  1 pass, 1 fail, 2 skip, 1 error, 2 not as expected, NOT FINISHED"
        "  lab test 6.1"
    )
    assert json.loads(json.dumps(summary.to_json()))["counts"]["fail"] == 1


def test_a_kill_keeps_the_jobs_that_ended(path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from lab.results import store as module
from tests.results.test_store import RECORD
with module.Store.open(Path({str(path)!r})) as store:
    store.begin(RECORD)
    store.add_job(RECORD.id, RECORD.jobs[0])
    with store._write() as session:
        row = module._job_row(RECORD.jobs[1])
        row.run_number = 1
        session.add(row)
        session.flush()
        os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    killed = run_process([sys.executable, "-c", script], cwd=root, check=False)
    assert killed.status == 137, killed.stderr
    with Store.open(path) as store:
        loaded = store.load(RECORD.id)
    assert loaded.jobs == RECORD.jobs[:1]
    assert loaded.finished is None
    assert "did not finish" in loaded.problems[0]


def test_writers_take_turns(path: Path) -> None:
    def write(number: int) -> None:
        with Store.open(path) as store:
            run_id = store.begin(replace(RECORD, id=f"run-{number}"))
            for _ in range(5):
                store.add_job(run_id, RECORD.jobs[0])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with Store.open(path) as store:
        assert sorted(len(store.load(f"run-{number}").jobs) for number in range(4)) == [5] * 4


def test_a_run_that_does_not_exist(path: Path) -> None:
    with Store.open(path) as store:
        with pytest.raises(UserError, match="no run is recorded yet"):
            store.load()
        with pytest.raises(UserError, match="there is no run nonesuch"):
            store.load("nonesuch")
        with pytest.raises(UserError, match="there is no run nonesuch"):
            store.add_job("nonesuch", RECORD.jobs[0])
        with pytest.raises(UserError, match="there is no run nonesuch"):
            store.finish("nonesuch")


def test_an_id_is_taken_once(path: Path) -> None:
    with Store.open(path) as store:
        store.begin(RECORD)
        with pytest.raises(InfrastructureError, match="recorded already"):
            store.begin(RECORD)


def test_a_newer_schema_is_refused(path: Path) -> None:
    with Store.open(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = version + 1")
    with pytest.raises(UserError, match=f"schema {SCHEMA_VERSION + 1}") as caught, Store.open(path):
        pass
    assert caught.value.hint


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_text("no database at all, but long enough to be looked at\n" * 40)
    with pytest.raises(InfrastructureError, match="cannot be read") as caught, Store.open(path):
        pass
    assert str(caught.value.where) == str(path)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError), Store.open(tmp_path / "file" / "runs.db"):
        pass


def test_urls(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/runs.db") as store:
        store.begin(RECORD)
    with Store.open(tmp_path / "runs.db") as store:
        assert store.load().id == RECORD.id
