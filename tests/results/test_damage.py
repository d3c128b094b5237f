# SPDX-License-Identifier: GPL-2.0-only
"""A database that a disk or a hand changed: a row's damage costs that row, and is told."""

from __future__ import annotations

import io
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from lab.analysis.run_status import run_status
from lab.errors import ExitStatus, InfrastructureError, LabError
from lab.model.records import RunRecord
from lab.model.status import Status
from lab.report import print_run, to_json
from lab.results import Store
from lab.results.recorder import Recorder
from tests.results.made import job, result, run
from tests.results.test_database import SCHEMA_1

RUN = "20260101-120000-aaaa"
PASS = Status.PASS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two runs of three passes each."""
    path = tmp_path / "lab.db"
    with Store.open(path) as store:
        for name in (RUN, "20260102-120000-bbbb"):
            record = run(job(result("a"), result("b"), result("c")), id=name)
            store.begin(record)
            store.add_job(name, record.jobs[0])
            store.finish(name)
    return path


def sql(path: Path, text: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(text, values).rowcount


def loaded(path: Path, name: str = RUN) -> RunRecord:
    with Store.open(path) as store:
        store.runs()
        store.history("*")
        store.trail(name)
        store.unstable(store.load("latest"))
        list(store.stream(name))
        return store.load(name)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "pasX"),
        ("status", "Pass"),
        ("status", 5),
        ("status", b"pass"),
        ("expected", ""),
        ("diagnostics", "["),
        ("diagnostics", '"text"'),
        ("diagnostics", "[1]"),
        ("diagnostics", "[" * 100_000),
        ("diagnostics", b"\xff"),
        ("metrics", '[{"name": "x"}]'),
        ("metrics", '[{"name": "x", "labels": [], "value": "y"}]'),
        ("metrics", "{}x"),
        ("metrics", '[{"name": "x", "labels": [], "value": %s}]' % ("9" * 400)),
        ("metrics", "7"),
        ("duration_s", "long"),
        ("test", b"\x00\xff"),
        ("message", b"\x00"),
    ],
)
def test_a_damaged_result_is_an_error_and_the_others_are_read(
    path: Path, column: str, value: object
) -> None:
    sql(path, f"UPDATE results SET {column} = ? WHERE number = 2", value)
    record = loaded(path)
    first, damaged, last = record.results
    assert (first, last) == (result("a"), result("c"))
    assert (damaged.status, damaged.as_expected) == (Status.ERROR, False)
    assert "damaged" in damaged.message
    assert run_status(record) is ExitStatus.INFRASTRUCTURE
    assert loaded(path, "latest").results[1] == result("b")


@pytest.mark.parametrize(
    "value", ["{", "[]", "null", '{"guests": 3}', '{"complaints": [{}]}', b"\xff\xfe", "7"]
)
def test_damaged_evidence_earns_no_pass(path: Path, value: object) -> None:
    """With it goes what the kernel complained of."""
    sql(path, "UPDATE jobs SET evidence = ? WHERE number = 1", value)
    record = loaded(path)
    assert [one.status for one in record.results] == [PASS] * 3
    assert "damaged" in str(record.jobs[0].error)
    assert run_status(record) is ExitStatus.INFRASTRUCTURE


@pytest.mark.parametrize("column", ["command", "host", "plan"])
@pytest.mark.parametrize("value", ["{", "7", '[["x"]]', '"x"'])
def test_a_damaged_run_keeps_its_jobs(path: Path, column: str, value: str) -> None:
    sql(path, f"UPDATE runs SET {column} = ? WHERE number = 1", value)
    record = loaded(path)
    assert len(record.results) == 3
    assert column in record.troubles[0]
    assert run_status(record) is ExitStatus.INFRASTRUCTURE
    with Store.open(path) as store:
        (line,) = (one.line() for one in store.runs() if one.run.id == RUN)
    assert "damaged" in line


@pytest.mark.parametrize("column", ["started", "finished"])
@pytest.mark.parametrize("value", ["", "soon", b"\xff", "2026-01-01T12:00:00", "9" * 5000])
def test_a_time_that_is_none(path: Path, column: str, value: object) -> None:
    sql(path, f"UPDATE runs SET {column} = ? WHERE number = 1", value)
    record = loaded(path)
    assert len(record.results) == 3
    assert column in record.troubles[0]
    assert record.finished is not None
    assert run_status(record) is ExitStatus.INFRASTRUCTURE
    with Console(file=io.StringIO()) as console:
        print_run(record, console)


def test_text_that_is_no_utf_8_is_shown_and_told(path: Path) -> None:
    sql(path, "UPDATE results SET test = CAST(x'61ff62' AS TEXT) WHERE number = 2")
    record = loaded(path)
    assert [one.test for one in record.results] == ["a", "a\ufffdb", "c"]
    assert "not UTF-8" in record.troubles[0]
    assert run_status(record) is ExitStatus.INFRASTRUCTURE
    to_json(record)
    with Store.open(path) as store:
        assert store.load("latest").troubles == ()


@pytest.mark.parametrize("version", ["0", "-1", "'x'", "NULL", "x'ff'", "1.5"])
def test_a_schema_that_is_none(path: Path, version: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE schema_version")
        connection.execute("CREATE TABLE schema_version (version)")
        connection.execute(f"INSERT INTO schema_version VALUES ({version})")
    with pytest.raises(InfrastructureError, match="damaged") as error, Store.open(path):
        pass
    assert "move the file away" in str(error.value)


def test_an_old_database_with_a_damaged_row_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "lab.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA_1)
        connection.execute("UPDATE jobs SET evidence = '{' WHERE number = 1")
    with Store.open(path) as store:
        assert "damaged" in str(store.load("run-1").jobs[0].error)
        assert all(
            one.error is None or "damaged" not in str(one.error) for one in store.load("run-2").jobs
        )


def test_an_old_database_without_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "lab.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE schema_version (version); INSERT INTO schema_version VALUES (1);"
        )
    with pytest.raises(InfrastructureError), Store.open(path):
        pass


@pytest.mark.parametrize("seed", range(40))
def test_bits_and_ends_that_are_gone(path: Path, tmp_path: Path, seed: int) -> None:
    """Whatever of the file is damaged: it is read, or said; no pass comes of it."""
    chance = random.Random(seed)
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    content = bytearray(copy.read_bytes())
    if chance.random() < 0.3:
        del content[chance.randrange(len(content)) :]
    for _ in range(chance.choice((1, 8, 200)) if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    copy.write_bytes(content)
    try:
        record = loaded(copy)
    except LabError:
        return
    assert len(record.results) <= 6
    to_json(record)
    print_run(record, Console(quiet=True), True)


def test_a_run_is_recorded_beside_a_damaged_database_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "lab.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    record = run(job(result("a")))
    with Recorder(path, record) as recorder:
        recorder.add_job(record.jobs[0])
        ended = recorder.finish()
    assert "not recorded in the database" in ended.troubles[0]
    assert result("a") in ended.results
