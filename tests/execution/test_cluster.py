# SPDX-License-Identifier: GPL-2.0-only
"""Played guests on workers of a real cluster of processes on this host."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from distributed import Client
from distributed.security import Security

from lab.config import LoadedConfig, load
from lab.execution.cluster.executor import Cluster, _Sent
from lab.execution.cluster.parcel import Parcel
from lab.execution.cluster.words import Begun, Done
from lab.execution.executor import ExecutorRequest
from lab.execution.mutant_crew import Guests
from lab.execution.run_job import unrun_job
from lab.guest.fake import Script
from lab.model.records import JobRecord, TestResult
from lab.model.unrun import Stop
from lab.process.deadline import Deadline
from tests.config.conftest import Project
from tests.execution.conftest import MakeJob

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedConfig:
    project = Project(tmp_path_factory.mktemp("project"))
    project.append('[paths]\ncache = "cache"\n[executor]\nkind = "dask"\n')
    return load(project.root)


class Told:
    def __init__(self) -> None:
        self.results: list[TestResult] = []
        self.words: list[str] = []


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def cluster(loaded: LoadedConfig, told: Told) -> Iterator[Cluster]:
    asked = ExecutorRequest(loaded, 2, told.results.append, told.words.append)
    with Cluster(asked, None) as cluster:
        yield cluster


def ended(cluster: Cluster) -> tuple[int, JobRecord]:
    while True:
        found = cluster.next_record()
        if found is not None:
            return found


def worker_with(cluster: Cluster, number: int, attempt: int) -> int:
    """The process that a job is on, once it was begun for that time."""
    deadline = Deadline("a job's beginning", 60.0)
    while len(made := cluster._attempts.of(number)) < attempt or made[-1].last == "nothing":
        assert deadline.left_s > 0
        time.sleep(0.1)
    pids: dict[str, int] = cluster._client.run(os.getpid, workers=[made[-1].worker])
    return pids[made[-1].worker]


def test_no_other_user_of_this_host_can_have_it_run_anything(cluster: Cluster) -> None:
    """A port of loopback is open to each of them."""
    address = cluster._client.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    with pytest.raises((OSError, TimeoutError)):
        Client(address.replace("tls", "tcp"), timeout=3, set_as_default=False)
    own = Security(require_encryption=True, **_certificate_of_another_ca())
    with pytest.raises((OSError, TimeoutError)):
        Client(address, security=own, timeout=3, set_as_default=False)


def _certificate_of_another_ca() -> dict[str, str]:
    other = Security.temporary()
    return {
        "tls_ca_file": other.tls_ca_file,
        "tls_client_key": other.tls_client_key,
        "tls_client_cert": other.tls_client_cert,
    }


def test_nothing_of_it_is_where_dask_leaves_it(cluster: Cluster) -> None:
    """In /tmp, for ever."""
    scheduler = cluster._client.cluster.scheduler
    workers = [worker.local_directory for worker in scheduler.workers.values()]
    folders = [scheduler.local_directory, *workers]
    assert [path for path in folders if "lab-tmp-cluster" not in path] == []


def test_jobs_run_elsewhere_and_come_back(
    cluster: Cluster, told: Told, make_job: MakeJob, tmp_path: Path
) -> None:
    """Records, what is told meanwhile, and the files of their folders."""
    jobs = [make_job({"p": Script(("a", "b"))}) for _ in range(3)]
    for number, job in enumerate(jobs):
        spec = job.guest.in_folder(tmp_path / "run" / f"{number}")
        cluster.submit(number, replace(job, guest=spec))
    records = dict(ended(cluster) for _ in jobs)
    assert set(records) == {0, 1, 2}
    for number, record in records.items():
        assert [result.status for result in record.results] == ["pass", "pass"]
        assert record.evidence.host == os.uname().nodename
        assert (tmp_path / "run" / f"{number}" / "console.log").is_file()
    assert cluster.busy == 0
    assert len(told.results) == 6
    assert any("booting on" in word for word in told.words)


def test_guests_of_mutants_run_elsewhere(
    cluster: Cluster, make_job: MakeJob, tmp_path: Path
) -> None:
    """Asked for by many threads, each of which waits for its own record."""
    guests = Guests(cluster)
    # Numbers that no other test of this cluster has.
    guests._count = 100
    job = make_job({"p": Script(("a", "b"), {"b": "fail"})})
    jobs = [replace(job, variant=f"m{n}", guest=job.guest.in_folder(tmp_path / f"m{n}"))
            for n in range(3)]  # fmt: skip
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(guests.run, one) for one in jobs]
        for one in asked:
            one.add_done_callback(lambda _: cluster.wake())
        while not all(one.done() for one in asked):
            guests.see()
    for number, record in enumerate(one.result() for one in asked):
        assert record.variant == f"m{number}"
        assert record.evidence.host == os.uname().nodename
        assert record.error is None
    assert cluster.busy == 0


def test_a_job_that_kills_two_workers_is_an_error(
    cluster: Cluster, told: Told, make_job: MakeJob
) -> None:
    """Never the kernel's: it says what was heard of both."""
    # Not at its end before its worker is killed.
    job = make_job({"p": Script(("a", "b"), {"b": "block"})}, program_s=120.0)
    cluster.submit(7, job)
    for attempt in (1, 2):
        os.kill(worker_with(cluster, 7, attempt), signal.SIGKILL)
    number, record = ended(cluster)
    assert number == 7
    assert record.fault == "machine"
    assert {result.status for result in record.results} == {"error"}
    assert record.error is not None
    assert str(record.error).count("last heard: ") == 2


def test_the_third_worker_is_spared(loaded: LoadedConfig, told: Told, make_job: MakeJob) -> None:
    """Another's scheduler lets a job kill four: what begins a third time is ended at once."""
    asked = ExecutorRequest(loaded, 2, told.results.append, told.words.append)
    cluster = Cluster(asked, None)
    job = make_job({"p": Script(("a",))})
    cluster._jobs[4] = _Sent(job, Parcel("r", 4, job, "", Path()))
    for worker in ("tcp://1", "tcp://2"):
        cluster._has_begun(Begun(4, "host", worker, time.time()))
    assert cluster._ended.empty()
    cluster._has_begun(Begun(4, "host", "tcp://3", time.time()))
    number, record = ended(cluster)
    assert (number, record.fault) == (4, "machine")
    assert "tcp://1" in str(record.error)
    assert "tcp://2" in str(record.error)
    assert "tcp://3" not in str(record.error)
    assert cluster.busy == 0


class Brought:
    """What a task gave, which comes when ``there`` is set."""

    def __init__(self, key: str, outcome: Done) -> None:
        self.key, self.outcome = key, outcome
        self.there = threading.Event()

    def result(self) -> Done:
        assert self.there.wait(60.0)
        return self.outcome


def test_a_record_that_is_long_in_coming_holds_no_other_up(
    loaded: LoadedConfig, told: Told, make_job: MakeJob
) -> None:
    """Its worker may be slow, or gone with it."""
    asked = ExecutorRequest(loaded, 2, told.results.append, told.words.append)
    cluster, job = Cluster(asked, None), make_job({"p": Script(("a",))})
    brought = [
        Brought(f"k{number}", Done(f"host{number}", unrun_job(job, Stop("pretended"))))
        for number in range(2)
    ]
    for number, one in enumerate(brought):
        cluster._jobs[number] = _Sent(job, Parcel("r", number, job, "", Path()))
        cluster._numbers[one.key] = number
        cluster._arrive(cast(Any, one))
    for number in (1, 0):
        brought[number].there.set()
        found, record = ended(cluster)
        assert (found, record.evidence.host) == (number, f"host{number}")
    assert cluster.busy == 0
