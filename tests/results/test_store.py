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

from lab.errors import InfrastructureError, UserError
from lab.model.records import RunRecord
from lab.model.status import Status
from lab.process import ProcessKilled
from lab.process import run as run_process
from lab.report.changes import history_lines
from lab.results.store import SCHEMA_VERSION, Store
from tests.results.made import job, noted, result, run, slow_and_fast

Place = Path | str

RECORD = run(
    job(
        result(
            metrics=slow_and_fast(),
            diagnostics=("a", "b\ufffd\x01"),
            program="mlock",
            users_fault=True,
            complaint="oops: at f",
            signal="SIGBUS",
        ),
        result("x", Status.FAIL, expected=Status.FAIL, reason="the bug", message="1 of 1024"),
        result("y", Status.ERROR, message="planned 40 tests, reported 12"),
        result("z", Status.SKIP, message="no mlock2"),
        result("z", Status.SKIP, expected=Status.SKIP, reason="no 2 MiB pages"),
    ),
    job(variant="v4.2", error="no space\nleft"),
)
COMPLAINED = run(
    job(result(), complaints=(noted(), noted(benign="known"), noted(program="p", test="t"))),
    job(error="it does not apply", users_fault=True),
)


def test_round_trip(place: Place) -> None:
    with Store.open(place) as store:
        assert store.begin(RECORD) == RECORD.id
        for record in RECORD.jobs:
            store.add_job(RECORD.id, record)
        store.finish(RECORD.id)
    with Store.open(place) as store:
        loaded = store.load()
    assert loaded.finished is not None
    assert replace(loaded, finished=RECORD.finished) == RECORD


def test_complaints_come_back_and_the_jobs_own_count(place: Place) -> None:
    with Store.open(place) as store:
        store.begin(COMPLAINED)
        for record in COMPLAINED.jobs:
            store.add_job(COMPLAINED.id, record)
        assert store.load().jobs == COMPLAINED.jobs
        (summary,) = store.runs()
    assert summary.unexpected == 1


def test_latest_is_the_run_that_began_last(place: Place) -> None:
    with Store.open(place) as store:
        first = store.begin(replace(RECORD, id="20991231-000000-zzzz"))
        second = store.begin(replace(RECORD, id=""))
        assert store.load("latest").id == store.load().id == second
        assert store.load(first).id == first
        assert [summary.run.id for summary in store.runs()] == [second, first]
        assert [summary.run.id for summary in store.runs(limit=1)] == [second]


def test_how_long_a_job_took_the_last_time(place: Place) -> None:
    """One with an error was cut short."""
    names = ("6.1", "default", "default")
    with Store.open(place) as store:
        assert store.lasted() == {}
        for seconds in (7.0, 9.0):
            run_id = store.begin(replace(RECORD, id=""))
            store.add_job(run_id, replace(job(), duration_s=seconds))
            store.add_job(run_id, replace(job(error="no space"), duration_s=1.0))
            store.add_job(run_id, replace(job(variant="v4.2", error="no"), duration_s=1.0))
        assert store.lasted() == {names: 9.0}
        assert store.lasted(limit=1) == {names: 9.0}


def test_summaries_count(place: Place) -> None:
    with Store.open(place) as store:
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


@pytest.mark.slow
def test_a_kill_keeps_the_jobs_that_ended(place: Place) -> None:
    script = f"""
import os, signal
from pathlib import Path, PosixPath
from sqlalchemy import insert
from lab.results import store as module
from tests.results.test_store import RECORD
with module.Store.open({place!r}) as store:
    store.begin(RECORD)
    store.add_job(RECORD.id, RECORD.jobs[0])
    with store._write() as connection:
        row = module.job_row(RECORD.jobs[1]) | {{"run_number": 1}}
        connection.execute(insert(module.JOBS), row)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    with pytest.raises(ProcessKilled, match="was ended by SIGKILL"):
        run_process([sys.executable, "-c", script], cwd=root)
    with Store.open(place) as store:
        loaded = store.load(RECORD.id)
    assert loaded.jobs == RECORD.jobs[:1]
    assert loaded.finished is None
    assert "did not finish" in loaded.problems[0]


def test_writers_take_turns(place: Place) -> None:
    def write(number: int) -> None:
        with Store.open(place) as store:
            run_id = store.begin(replace(RECORD, id=f"run-{number}"))
            for _ in range(5):
                store.add_job(run_id, RECORD.jobs[0])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with Store.open(place) as store:
        assert sorted(len(store.load(f"run-{number}").jobs) for number in range(4)) == [5] * 4


def test_a_run_that_does_not_exist(place: Place) -> None:
    with Store.open(place) as store:
        with pytest.raises(UserError, match="no run is recorded yet"):
            store.load()
        with pytest.raises(UserError, match="there is no run nonesuch"):
            store.load("nonesuch")
        with pytest.raises(UserError, match="there is no run nonesuch"):
            store.add_job("nonesuch", RECORD.jobs[0])
        with pytest.raises(UserError, match="there is no run nonesuch"):
            store.finish("nonesuch")


def test_an_id_is_taken_once(place: Place) -> None:
    with Store.open(place) as store:
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


def three_runs(store: Store) -> list[str]:
    ids = ["20260101-120000-ab12", "20260101-120000-ab34", "20260102-120000-0001"]
    for run_id in ids:
        store.begin(replace(RECORD, id=run_id))
        for record in RECORD.jobs:
            store.add_job(run_id, record)
        store.finish(run_id)
    return ids


def test_names_of_runs(place: Place) -> None:
    with Store.open(place) as store:
        first, second, third = three_runs(store)
        assert store.load("latest~0").id == third
        assert store.load("latest~").id == store.load("latest~1").id == second
        assert store.load("latest~2").id == first
        assert store.load("20260102").id == third
        assert store.load(first).id == first
        with pytest.raises(UserError, match="several runs begin with 20260101") as caught:
            store.load("20260101-12")
        assert caught.value.hint == f"{second}, {first}"
        for name in ("latest~3", "20260103", "%", "", "_"):
            with pytest.raises(UserError):
                store.load(name)
        with pytest.raises(UserError, match="no number of runs"):
            store.load("latest~x")


def test_baselines(place: Place) -> None:
    with Store.open(place) as store:
        first, second, _ = three_runs(store)
        store.set_baseline("good", first)
        assert store.set_baseline("good", "latest~1") == second
        assert store.load("good").id == second
        assert store.baselines() == {"good": second}
        assert store.summary(second).baselines == ("good",)
        assert [summary.baselines for summary in store.runs()] == [(), ("good",), ()]
        for name in ("latest", "latest~1", "20260101", " ", ""):
            with pytest.raises(UserError, match="cannot name a baseline"):
                store.set_baseline(name, first)
        with pytest.raises(UserError, match="there is no run"):
            store.set_baseline("good", "nonesuch")
        assert store.baselines() == {"good": second}


def test_history_is_every_time_the_latest_first(place: Place) -> None:
    with Store.open(place) as store:
        ids = three_runs(store)
        seen = store.history("x")
        assert [one.run for one in seen] == ids[::-1]
        assert {(one.status, one.expected, one.message) for one in seen} == {
            (Status.FAIL, Status.FAIL, "1 of 1024")
        }
        assert json.loads(json.dumps(seen[0].to_json()))["as_expected"] is True
        assert store.history("X") == ()
        assert len(store.history("[xy]")) == len(store.history("?", limit=6)) == 6
        assert len(store.history("mlock.*.4k")) == 3
        assert store.history("mlock_shared-rw_4k") == ()
        assert store.history("x", variant="v4.2") == store.history("x", filesystem="xfs*") == ()
        assert len(store.history("x", variant="6.*", suite="ml*")) == 3


def test_streamed_jobs_are_the_loaded_ones(place: Place) -> None:
    with Store.open(place) as store:
        three_runs(store)
        assert tuple(store.stream()) == store.load().jobs == RECORD.jobs


def test_without_details_all_else_is_there(place: Place) -> None:
    with Store.open(place) as store:
        three_runs(store)
        whole, brief = store.load(), store.load(details=False)
    assert brief.results != whole.results
    assert brief.results == tuple(replace(one, diagnostics=(), metrics=()) for one in whole.results)


def test_unstable_is_what_one_setup_has_seen_end_differently(place: Place) -> None:
    def recorded(store: Store, build: str, *statuses: tuple[str, Status]) -> RunRecord:
        record = job(*(result(name, status) for name, status in statuses))
        record = replace(record, evidence=replace(record.evidence, build_key=build))
        run_id = store.begin(run(id=""))
        store.add_job(run_id, record)
        return store.load(run_id)

    with Store.open(place) as store:
        recorded(store, "1", ("a", Status.PASS), ("b", Status.PASS), ("c", Status.PASS))
        last = recorded(store, "1", ("a", Status.FAIL), ("b", Status.ERROR), ("c", Status.PASS))
        other = recorded(store, "2", ("c", Status.FAIL))
        assert {key.test for key in store.unstable(last)} == {"a"}
        assert store.unstable(other) == frozenset()


def test_two_programs_with_a_test_of_one_name_are_two_tests(place: Place) -> None:
    def recorded(store: Store, a: Status, b: Status) -> RunRecord:
        record = job(result("open", a, program="dup-a"), result("open", b, program="dup-b"))
        run_id = store.begin(run(id=""))
        store.add_job(run_id, replace(record, evidence=replace(record.evidence, build_key="1")))
        return store.load(run_id)

    with Store.open(place) as store:
        first = recorded(store, Status.PASS, Status.FAIL)
        assert store.unstable(first) == frozenset()
        last = recorded(store, Status.PASS, Status.PASS)
        assert {key.program for key in store.unstable(last)} == {"dup-b"}
        assert {key.program: len(ends) for key, ends in store.trail().ends.items()} == {
            "dup-a": 2,
            "dup-b": 2,
        }
        lines = "\n".join(history_lines(store.history("open")))
        assert "(mlock/dup-a on" in lines
        assert "(mlock/dup-b on" in lines


def test_what_older_labs_recorded_without_a_program_is_in_its_history(place: Place) -> None:
    with Store.open(place) as store:
        for program in ("", "mlock"):
            run_id = store.begin(run(id=""))
            store.add_job(run_id, job(result("t", program=program)))
        ((key, ends),) = store.trail().ends.items()
        assert (key.program, len(ends)) == ("mlock", 2)
        assert len([line for line in history_lines(store.history("t")) if line[0] != " "]) == 1


def test_text_no_database_takes_is_replaced(place: Place) -> None:
    odd = result("a\0b", message="\udc80 \0", diagnostics=("\ud800x", "é \0 🙂"))
    with Store.open(place) as store:
        store.begin(RECORD)
        store.add_job(RECORD.id, job(odd))
        (back,) = store.load().results
    assert (back.test, back.message) == ("a\ufffdb", "\ufffd \ufffd")
    assert back.diagnostics == ("\ufffdx", "é \ufffd 🙂")


def test_a_run_with_a_job_is_not_forgotten(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lab.db") as store:
        empty, other = store.begin(RunRecord("", "now")), store.begin(RunRecord("", "now"))
        store.add_job(other, job(result()))
        store.forget(empty)
        store.forget(other)
        assert store.known() == {other}
