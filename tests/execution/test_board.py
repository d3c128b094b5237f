# SPDX-License-Identifier: GPL-2.0-only
"""What hosts are at for a run, while nothing of it is here yet."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.builder import Silent
from lab.config import load
from lab.errors import InfrastructureError
from lab.execution.board import Board
from lab.execution.cluster.address import Address
from lab.execution.cluster.builds import WorkersBuild
from lab.execution.cluster.executor import Cluster, _Sent
from lab.execution.cluster.parcel import Parcel
from lab.execution.cluster.words import Begun, Said, Word, packed
from lab.execution.executor import ExecutorRequest
from lab.guest.fake import Script
from lab.results import hosts
from lab.results.hosts import Doing, read_hosts, write_hosts
from tests.build.conftest import until
from tests.config.conftest import Project
from tests.execution.conftest import MakeJob
from tests.results.made import result

ROW = Doing("far", "a build", "CC mm/gup.o")


def test_it_is_in_a_file_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "EVERY_S", 0.01)
    made, path = Board(), tmp_path / "hosts.json"
    made.begin(3, "near", "6.1")
    with made.shown(path, lambda: [ROW]):
        until(lambda: read_hosts(path) == (Doing("near", "6.1", "booting"), ROW))
        made.end(3)
        until(lambda: read_hosts(path) == (ROW,))
    assert not path.exists()
    assert read_hosts(path) == ()


def test_what_is_no_such_file_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hosts.json"
    write_hosts(path, [ROW])
    path.write_bytes(path.read_bytes()[:-9])
    assert read_hosts(path) == ()


def test_suites_with_a_result_are_counted_once() -> None:
    made = Board()
    made.hear(1, "of a job that is over")
    made.begin(1, "near", "6.1")
    for filesystem, test in (("ext4-dax", "a"), ("ext4-dax", "b"), ("xfs-dax", "a")):
        made.hear(1, result(filesystem=filesystem, suite="mlock", test=test))
    (row,) = made.rows
    assert (row.said, row.suites) == ("xfs-dax mlock a pass", 2)
    made.begin(1, "far", "6.1")
    assert made.rows == (Doing("far", "6.1", "booting"),)


def test_workers_of_a_cluster_are_on_it(make_job: MakeJob, tmp_path: Path) -> None:
    """Their guests' last lines, too, which are not told else."""
    words: list[str] = []
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, words.append)
    cluster, job = Cluster(asked, None), make_job({"p": Script(("a",))})
    cluster._jobs[0] = _Sent(job, Parcel("run", 0, job, "host", tmp_path))

    def hear(word: Word) -> None:
        cluster._hear((0.0, packed(word)))

    hear(Begun(0, "far", "tcp://1", 0.0))
    hear(Said(0, "tcp://1", "its guest: Run /init", shown=False))
    assert asked.board.rows == (Doing("far", job.name, "its guest: Run /init"),)
    assert not any("/init" in word for word in words)


def test_builds_of_workers_are_told(tmp_path: Path) -> None:
    """Until they have failed there, and nobody is at them."""
    maker = WorkersBuild(load(Project(tmp_path).root), Address("tcp://127.0.0.1:1"), Silent())
    asked = SimpleNamespace(number=0, name="6.1")
    maker._asked[0] = cast(Any, asked)
    assert maker.doing() == []
    maker._attempts.begin(Begun(0, "far", "tcp://1", 0.0))
    maker._attempts.hear(Said(0, "tcp://1", "its build: CC mm/gup.o", shown=False))
    assert maker.doing() == [Doing("far", "6.1", "its build: CC mm/gup.o")]
    maker._attempts.fail(0, "tcp://1", "far", InfrastructureError("its disk is full"))
    assert maker.doing() == []
