# SPDX-License-Identifier: GPL-2.0-only
"""A disk of a worker's that fills under a job: that host's error, and the job runs elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.config import load
from lab.errors import InfrastructureError
from lab.execution.cluster import disks
from lab.execution.cluster.attempts import Attempts
from lab.execution.cluster.disks import Disks
from lab.execution.cluster.executor import Cluster, _Sent
from lab.execution.cluster.parcel import Parcel
from lab.execution.cluster.words import Done, Failed
from lab.execution.executor import ExecutorRequest
from lab.guest.fake import Script
from lab.model.records import TestResult
from lab.model.status import Status
from tests.config.conftest import Project
from tests.execution.conftest import MakeJob
from tests.results.made import job, result

GIB = 1 << 30
PASSED = job(result())
FULL = InfrastructureError("its disk was full while the job ran (/cache)", hint="lab gc there")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[Path, int]:
    found = {Path("cache"): GIB, Path("tmp"): GIB}
    monkeypatch.setattr(disks, "free_of", found.__getitem__)
    return found


def test_one_that_was_full_for_a_moment_has_lost_something(free: dict[Path, int]) -> None:
    """A console that was not written whole has no complaint: what passed there has not passed."""
    watched = Disks(Path("cache"), Path("tmp"))
    assert watched.filled(PASSED) is None
    free[Path("cache")] = 0
    watched.look()
    free[Path("cache")] = GIB
    why = watched.filled(PASSED)
    assert why is not None
    assert why.what == "its disk was full while the job ran (cache)"


def test_what_an_error_says_is_enough(free: dict[Path, int]) -> None:
    said = "the evidence cannot be kept: No space left on device"
    watched = Disks(Path("cache"), Path("tmp"))
    assert watched.filled(job(error=said)) is not None
    assert watched.filled(job(result(status=Status.ERROR, message=said))) is not None
    # The kernel's own word, on a filesystem of the guest's.
    assert watched.filled(job(result(status=Status.FAIL, message=said))) is None


class Away:
    """A cluster whose jobs are sent nowhere."""

    def __init__(self, made: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: list[str] = []
        self.results: list[TestResult] = []
        self.sent: list[int] = []
        self.others = ["tcp://2"]
        asked = ExecutorRequest(
            load(Project(folder).root), 1, self.results.append, self.words.append
        )
        self.cluster = Cluster(asked, None)
        self.cluster._jobs[0] = _Sent(made, Parcel("run", 0, made, "host", folder))
        monkeypatch.setattr(self.cluster, "_candidates", lambda _: self.others)
        monkeypatch.setattr(self.cluster, "_send", lambda number, _: self.sent.append(number))

    def fail(self, host: str, done: Done | None = None) -> Any:
        failed = Failed(host, f"tcp://{host}", FULL, done)
        return self.cluster._of(0, self.cluster._jobs[0], failed)


@pytest.fixture
def away(make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(make_job({"p": Script(("a",))}), tmp_path, monkeypatch)


def test_it_runs_elsewhere(away: Away) -> None:
    assert away.fail("w3", Done("w3", PASSED)) is None
    assert away.sent == [0]
    assert away.words[0].endswith(
        ": w3: its disk was full while the job ran (/cache); again elsewhere"
    )


def test_what_it_has_counts_where_there_is_no_other(away: Away) -> None:
    away.others = []
    record = away.fail("w3", Done("w3", job(result(), result("x", Status.ERROR, message="y"))))
    assert [one.status for one in record.results] == [Status.PASS, Status.ERROR]
    assert record.evidence.host == "w3"
    assert [one.test for one in away.results] == ["x"]
    assert "w3: its disk was full" in away.words[0]


def test_passes_of_a_full_disk_are_no_whole_answer(away: Away) -> None:
    """Nobody knows what its console lacks."""
    away.others = []
    record = away.fail("w3", Done("w3", PASSED))
    assert "its disk was full while the job ran" in str(record.error)
    assert not record.users_fault


def test_what_came_and_cannot_be_kept_counts_and_the_rest_goes_on(away: Away) -> None:
    """The disk of who asks was full: the run ended there, and nobody saw what had passed."""
    sent = away.cluster._jobs[0]
    folder = sent.job.guest.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")
    record = away.cluster._of(0, sent, Done("w3", PASSED, {"console.log": b"[ 0.0] x"}))
    assert record is not None
    assert [one.status for one in record.results] == [Status.PASS]
    assert record.evidence.host == "w3"
    assert str(record.error).startswith(f"{folder}: what came of it cannot be kept: cannot write")
    assert not record.users_fault


def test_the_error_names_the_host(away: Away) -> None:
    away.others = []
    record = away.fail("w3")
    assert str(record.error).startswith("w3: its disk was full while the job ran")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ((True, True), "no host could do it"),
        ((True, False), "its worker was lost or could not do it"),
        ((False, False), "its worker was lost"),
    ],
)
def test_no_worker_is_called_lost_that_was_not(why: tuple[bool, ...], said: str) -> None:
    made = Attempts()
    for number, failed in enumerate(why):
        made.fail(3, f"tcp://{number}", f"w{number}", FULL)
        if not failed:
            made.of(3)[-1].why = ""
    assert made.verdict(3, "6.1").what == (f"6.1 was begun 2 times, and each time {said} (w0, w1)")
