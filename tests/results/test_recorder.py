# SPDX-License-Identifier: GPL-2.0-only
"""A run is recorded beside it, and no trouble with that costs its results."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.model.job_error import INTERRUPTED
from lab.model.records import DID_NOT_RUN, RunRecord
from lab.model.status import Status
from lab.results import Recorder, RunFolder, write_json
from lab.results.store import Store
from tests.results.made import job, result, run

pytestmark = pytest.mark.slow

STARTED = run(finished=None)
JOBS = (job(result("a")), job(result("b", Status.FAIL)))


def record(place: Path | str, mend: Path | None = None) -> RunRecord:
    with Recorder(place, STARTED) as recorder:
        for number, done in enumerate(JOBS):
            recorder.add_job(done)
            if mend is not None and number == 0:
                mend.unlink()
        return recorder.finish()


def test_what_is_recorded_is_what_is_returned(place: Path | str) -> None:
    returned = record(place)
    assert returned.jobs == JOBS
    assert returned.problems == ()
    with Store.open(place) as store:
        loaded = store.load()
    assert loaded.finished
    assert replace(loaded, finished=None) == replace(returned, finished=None)


def test_the_row_is_there_before_the_first_job(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Recorder(path, STARTED):
        raise KeyboardInterrupt
    with Store.open(path) as store:
        assert store.load().id == STARTED.id
        assert store.load().finished is None


def test_a_database_that_cannot_be_is_told_and_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    returned = record(tmp_path / "file" / "lab.db")
    assert returned.jobs == JOBS
    (problem,) = returned.problems
    assert "not recorded in the database" in problem
    assert "lab runs --recover" in problem
    assert str(tmp_path / "file" / "lab.db") in problem


def test_a_database_that_comes_back_gets_everything(tmp_path: Path) -> None:
    in_the_way = tmp_path / "folder"
    in_the_way.touch()
    returned = record(in_the_way / "lab.db", mend=in_the_way)
    assert returned.problems == ()
    with Store.open(in_the_way / "lab.db") as store:
        assert store.load().jobs == JOBS
        assert store.load().finished


def test_a_database_that_is_held_for_a_while_gets_everything(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.results.database._BUSY_MS", 20)
    with Recorder(path, STARTED) as recorder:
        recorder.add_job(JOBS[0])
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        recorder.add_job(JOBS[1])
        holder.close()
        assert recorder.finish().problems == ()
    with Store.open(path) as store:
        assert store.load().jobs == JOBS


def test_a_run_recorded_in_part_is_not_finished(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder has all, the database must not look as if it had."""
    monkeypatch.setattr("lab.results.database._BUSY_MS", 20)
    with Recorder(path, STARTED) as recorder:
        recorder.add_job(JOBS[0])
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        recorder.add_job(JOBS[1])
        returned = recorder.finish()
        holder.close()
    assert "locked" in returned.problems[0]
    assert returned.jobs == JOBS
    with Store.open(path) as store:
        loaded = store.load()
    assert loaded.jobs == JOBS[:1]
    assert loaded.finished is None


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Recorder(tmp_path / "lab.db", STARTED) as recorder:
        for _ in range(3):
            recorder.kept(lambda: write_json(tmp_path / "file" / "job.json", {}))
        recorder.add_job(JOBS[0])
        (problem,) = recorder.finish().problems
    assert "not all of the run is on disk" in problem
    with Store.open(tmp_path / "lab.db") as store:
        assert store.load().finished


def test_a_mistake_of_ours_ends_no_run_either(path: Path) -> None:
    def wrong() -> None:
        raise ZeroDivisionError

    with Recorder(path, STARTED) as recorder:
        recorder.kept(wrong)
        recorder.add_job(JOBS[0])
        (problem,) = recorder.finish().problems
    assert "the lab itself failed: ZeroDivisionError" in problem
    with Store.open(path) as store:
        assert store.load().results == JOBS[0].results


def test_a_newer_database_is_told(path: Path) -> None:
    with Store.open(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = version + 1")
    assert "a newer lab made this database" in record(path).problems[0]
    with pytest.raises(UserError), Store.open(path):
        pass


def test_who_holds_a_folder_is_running(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "20260101-120000-aaaa")
    assert not folder.is_running()
    with folder.held():
        assert folder.is_running()
    assert not folder.is_running()
    assert list(folder.path.rglob(".*")) == []


def test_a_job_that_was_cut_short_is_there_once_when_its_run_goes_on(path: Path) -> None:
    unrun = result("b (test 2 of 2)", Status.ERROR, message=f"{DID_NOT_RUN}{INTERRUPTED}")
    cut = replace(JOBS[1], results=(*JOBS[1].results, unrun), error=INTERRUPTED)
    with Recorder(path, STARTED) as recorder:
        recorder.add_job(JOBS[0])
        recorder.add_job(cut)
    ended = replace(STARTED, jobs=JOBS[:1])
    with Recorder(path, ended, begun=True) as recorder:
        recorder.add_job(JOBS[1])
        returned = recorder.finish()
    with Store.open(path) as store:
        loaded = store.load()
        (summary,) = store.runs()
    assert returned.jobs == loaded.jobs == JOBS
    assert sum(dict(summary.counts).values()) == 2
