# SPDX-License-Identifier: GPL-2.0-only
"""Runs that only a folder tells of: found, told, and recorded as far as they go."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab.analysis.run_status import run_status
from lab.errors import ExitStatus
from lab.model.proof import unproved
from lab.model.records import RunRecord
from lab.model.status import Status
from lab.results import RunFolder, write_json
from lab.results.job_file import job_document
from lab.results.recover import Unrecorded, newest_folder, recover, unrecorded
from lab.results.store import Store
from tests.results.made import job, result, run

STARTED = run(finished=None)
JOBS = (job(result("a")), job(result("b", Status.FAIL), variant="6.1+fix"))
ENDED = "2026-01-01T12:00:43+00:00"


def leave(results: Path, record: RunRecord = STARTED, *, finished: object = None) -> RunFolder:
    """A run's folder as it is when nobody wrote to the database."""
    folder = RunFolder(results, record.id)
    write_json(folder.record, asdict(replace(record, jobs=())))
    for number, done in enumerate(record.jobs):
        write_json(folder.job(number, done.variant).record, job_document(done))
    if finished is not None:
        write_json(folder.document, {"finished": finished})
    return folder


def found(results: Path, *known: str) -> Unrecorded:
    (one,) = unrecorded(results, known)
    return one


@pytest.mark.parametrize(
    ("jobs", "finished", "why", "hint"),
    [
        ((), None, "killed at its start", False),
        (JOBS, None, "killed, and the database not written", True),
        (JOBS, ENDED, "the database could not be written", True),
    ],
)
def test_what_became_of_it(
    tmp_path: Path, jobs: tuple[object, ...], finished: str | None, why: str, hint: bool
) -> None:
    leave(tmp_path, replace(STARTED, jobs=jobs), finished=finished)  # type: ignore[arg-type]
    one = found(tmp_path)
    assert (one.why, one.jobs, one.finished) == (why, len(jobs), finished is not None)
    assert one.line().startswith(f"{STARTED.id}  NOT RECORDED ({why}")
    assert ("lab runs --recover records it" in one.line()) is hint
    assert one.to_json() == {
        "run": STARTED.id,
        "folder": str(tmp_path / STARTED.id),
        "running": False,
        "jobs": len(jobs),
        "why": why,
    }


def test_one_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    folder = leave(tmp_path, replace(STARTED, jobs=JOBS))
    with folder.held():
        one = found(tmp_path)
    assert (one.running, one.why) == (True, "just starting")
    assert "--recover" not in one.line()
    with Store.open(tmp_path / "lab.db") as store:
        assert recover(store, one) is None
        assert store.known() == set()


def test_only_runs_that_nobody_knows_the_latest_first(tmp_path: Path) -> None:
    ids = [f"2026010{day}-120000-ab12" for day in (1, 2, 3)]
    for name in ids:
        leave(tmp_path, replace(STARTED, id=name))
    (tmp_path / "20260104-120000-ab12").mkdir()
    (tmp_path / "mine" / "run").mkdir(parents=True)
    (tmp_path / "a-file").touch()
    assert [one.folder.run_id for one in unrecorded(tmp_path, [ids[1]])] == [ids[2], ids[0]]
    assert unrecorded(tmp_path / "nowhere", []) == ()
    newest = newest_folder(tmp_path)
    assert newest is not None
    assert newest.run_id == ids[2]
    assert newest_folder(tmp_path / "nowhere") is None


@pytest.mark.parametrize("finished", [ENDED, None, 7])
def test_what_is_recorded_is_what_the_folder_has(tmp_path: Path, finished: object) -> None:
    leave(tmp_path, replace(STARTED, jobs=JOBS), finished=finished)
    with Store.open(tmp_path / "lab.db") as store:
        record = recover(store, found(tmp_path))
        assert record is not None
        assert record == store.load(STARTED.id)
    assert record.jobs == JOBS
    assert record.finished == (ENDED if finished == ENDED else None)
    assert replace(record, finished=None, jobs=()) == STARTED


def test_what_a_result_has_by_value_and_its_file_by_an_older_name(tmp_path: Path) -> None:
    values = {"users_fault": True, "complaint": "oops: at f; twice", "signal": "SIGBUS"}
    record = run(job(result("a", Status.ERROR, **values)), finished=None)
    folder = leave(tmp_path, record)
    (written,) = json.loads(folder.job(0, "6.1").record.read_text())["results"]
    assert written["given"] is True
    assert "users_fault" not in written
    with Store.open(tmp_path / "lab.db") as store:
        recovered = recover(store, found(tmp_path))
        assert recovered is not None
        assert recovered.results == record.results


@pytest.mark.parametrize(
    ("status", "message", "complaint", "signal", "broke_off"),
    [
        (Status.CRASH, "oops: at f (the test itself: pass)", "oops: at f", "", ""),
        (Status.TIMEOUT, "rcu-stall: at f; it hung", "rcu-stall: at f", "", ""),
        (Status.FAIL, "bug: a word of its own", "", "", ""),
        (Status.ERROR, "was killed by SIGBUS; bailed out", "", "SIGBUS", ""),
        (Status.FAIL, "was killed by signal 34: said", "", "signal 34", ""),
        (Status.CRASH, "was killed by nobody", "", "", ""),
        (Status.ERROR, "TBROK: no memory", "", "", "TBROK"),
        (Status.FAIL, "TBROK: no memory", "", "", ""),
    ],
)
def test_what_a_file_of_before_has_in_words(
    tmp_path: Path, status: Status, message: str, complaint: str, signal: str, broke_off: str
) -> None:
    record = run(job(result("a", status, message=message)), finished=None)
    path = leave(tmp_path, record).job(0, "6.1").record
    document = json.loads(path.read_text())
    for name in ("complaint", "signal", "broke_off"):
        del document["results"][0][name]
    path.write_text(json.dumps(document))
    with Store.open(tmp_path / "lab.db") as store:
        recovered = recover(store, found(tmp_path))
    assert recovered is not None
    (read,) = recovered.results
    assert (read.complaint, read.signal, read.broke_off) == (complaint, signal, broke_off)


def test_a_job_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    folder = leave(tmp_path, replace(STARTED, jobs=JOBS))
    folder.job(0, JOBS[0].variant).record.write_text("{")
    folder.document.write_text("[1]")
    with Store.open(tmp_path / "lab.db") as store:
        record = recover(store, found(tmp_path))
    assert record is not None
    assert record.jobs[1:] == JOBS[1:]
    assert record.finished is None


def test_a_folder_that_says_nothing_is_not_recorded(tmp_path: Path) -> None:
    leave(tmp_path).record.write_text("{}")
    with Store.open(tmp_path / "lab.db") as store:
        assert recover(store, found(tmp_path)) is None
        assert store.known() == set()


def test_a_record_that_cannot_be_read_is_missed(tmp_path: Path) -> None:
    folder = leave(tmp_path, replace(STARTED, jobs=JOBS), finished=ENDED)
    torn = folder.job(1, "6.1+fix").record
    torn.write_text('{"variant": "6.1+f')
    with Store.open(tmp_path / "lab.db") as store:
        record = recover(store, found(tmp_path))
    assert record is not None
    assert [(job.variant, job.error and str(job.error)) for job in record.jobs] == [
        ("6.1", None),
        ("6.1+fix", f"its record cannot be read: {torn}"),
    ]
    assert record.jobs[1].duration_s == 0
    assert run_status(record) is ExitStatus.INFRASTRUCTURE


@pytest.mark.parametrize(
    ("dax", "wanting"),
    [
        ([["ext4-dax", [["statx", "DAX"]]]], ""),
        ([["ext4-dax", []]], "DAX"),
        ([["xfs-dax", [["statx", "DAX"]]]], "DAX"),
        ([["ext4-dax"]], "DAX"),
        (None, "DAX"),
        (7, "DAX"),
    ],
)
def test_the_proof_of_dax_in_folders_of_before(tmp_path: Path, dax: object, wanting: str) -> None:
    folder = leave(tmp_path, replace(STARTED, jobs=(job(result("a")),)))
    path = folder.job(0, "6.1").record
    stored = json.loads(path.read_text())
    del stored["evidence"]["proofs"], stored["evidence"]["promises"]
    write_json(path, {**stored, "evidence": {**stored["evidence"], "dax": dax}})
    with Store.open(tmp_path / "lab.db") as store:
        record = recover(store, found(tmp_path))
    assert record is not None
    assert unproved(record.jobs[0].evidence, "ext4-dax") == wanting
    assert [one.test for one in record.results] == ["a"]
