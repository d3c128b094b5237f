# SPDX-License-Identifier: GPL-2.0-only
"""What a cluster of the lab's is made of, each by itself: no worker is started."""

from __future__ import annotations

import errno
import logging
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.builder import Silent
from lab.config import load
from lab.errors import InfrastructureError, UserError
from lab.execution.cluster import builds, connection, executor, host
from lab.execution.cluster.address import CA, OWN, Address, checked_address
from lab.execution.cluster.asked import kernels_made_here
from lab.execution.cluster.attempts import Attempts
from lab.execution.cluster.builds import WorkersBuild
from lab.execution.cluster.certificates import make_certificates
from lab.execution.cluster.connection import LEAVING_S, silence_dask
from lab.execution.cluster.executor import Cluster, _Sent, workers_here
from lab.execution.cluster.host import (
    BUILD,
    GUEST,
    KVM,
    MEMORY,
    SLOT,
    HostFacts,
    version_token,
    versions,
)
from lab.execution.cluster.needs import nobody, oddities, slots
from lab.execution.cluster.parcel import Bundle, Parcel, Sent, Unpacked, below, receive
from lab.execution.cluster.serving import told_offers
from lab.execution.cluster.words import Begun, Said, Wants
from lab.execution.cluster.work import Here
from lab.execution.executor import ExecutorRequest
from lab.execution.job import Job
from lab.execution.verify import two_hosts
from lab.guest.fake import Script
from lab.host.capacity import Capacity
from lab.model.records import Evidence, TestResult
from lab.model.status import Status
from lab.process.deadline import Deadline
from lab.process.seal import file_digest
from tests.config.conftest import Project
from tests.execution.conftest import MakeJob
from tests.results.made import job

GIB = 1 << 30


@pytest.mark.parametrize(
    "url", ["tcp://10.0.0.1:8786", "tcp://build.example.org:8786", "tcp://0.0.0.0:8786",
            "tcp://[::]:8786", "tcp://127.0.0.1.example.org:1"]
)  # fmt: skip
def test_an_address_in_the_open_is_refused(url: str) -> None:
    """A name may lead anywhere: what is not plainly this host is not."""
    with pytest.raises(UserError, match="neither encrypted") as caught:
        checked_address(url, None)
    assert "lab cluster certificates" in str(caught.value)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"])
def test_this_host_alone_needs_no_certificate(url: str) -> None:
    assert checked_address(url, None).security().require_encryption in (False, None)


@pytest.mark.parametrize("url", ["10.0.0.1:8786", "http://a", "tls://", ""])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UserError, match="no address of a scheduler"):
        checked_address(url, None)


def test_where_mutants_and_steps_are_built_is_told(tmp_path: Path) -> None:
    """Here: whoever has four hosts would wait for three that are idle, and not know why."""
    project = Project(tmp_path)
    assert kernels_made_here(load(project.root)) == ""
    project.append('[executor]\nkind = "dask"\naddress = "tcp://localhost:1"\n')
    said = kernels_made_here(load(project.root))
    assert said.startswith("kernels are made on this host")
    assert said.endswith("the workers of tcp://localhost:1")


def test_certificates_are_a_ca_and_what_it_signed(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    with pytest.raises(UserError, match="none are named"):
        checked_address("tls://a:1", None)
    with pytest.raises(UserError, match=CA):
        checked_address("tls://a:1", folder)
    made = make_certificates(folder)
    assert {path.name: path.stat().st_mode & 0o777 for path in made} == {
        CA: 0o644, "ca.key": 0o600, OWN: 0o600
    }  # fmt: skip
    assert checked_address("tls://a:1", folder).security().require_encryption is True
    context = ssl.create_default_context(cafile=str(folder / CA))
    context.load_cert_chain(folder / OWN)
    with pytest.raises(UserError, match="already"):
        make_certificates(folder)


@pytest.mark.parametrize(
    ("guests", "share", "slots", "said"),
    [
        (1, 1, 1, "1 guest at once, of any CPUs (guests of its lab.toml)"),
        (3, 1, 3, "3 guests at once, of any CPUs (guests of its lab.toml)"),
        (6, 3, 2, "2 guests at once, of any CPUs (guests of its lab.toml)"),
        (0, 1, 2, "2 CPUs for a guest"),
    ],
)
def test_what_the_setting_of_a_host_makes_is_no_count_of_its_cpus(
    monkeypatch: pytest.MonkeyPatch, guests: int, share: int, slots: int, said: str
) -> None:
    monkeypatch.setattr(Capacity, "of_this_host", lambda: Capacity(2, 8 * GIB))
    monkeypatch.setattr(host, "qemu_here", lambda: "7.2")
    monkeypatch.setattr(host, "kvm_runs", lambda *_: False)
    offers = host.offers_of_here(Path(), 1, guests, 0, (), share)
    assert offers[SLOT] == slots
    far = HostFacts(name="far", offers=offers)
    why = nobody({version_token(): 1e-6, GUEST: 1, MEMORY: 99 * GIB}, [far])
    assert why is not None
    assert why.what == "no worker offers 99.0 GiB of memory for a guest"
    assert str(why.detail).startswith(f"far has {said}, ")


def test_a_worker_says_what_it_offers_and_what_it_lacks() -> None:
    """One without QEMU said that it offers two guests at once."""
    played = HostFacts(offers={version_token(): 1, SLOT: 2, BUILD: 1, "label x": 1})
    assert told_offers(played) == "no guests, as QEMU is not installed, 1 build at once, label x"
    real = {SLOT: 1, GUEST: 64, KVM: 64, MEMORY: GIB, "arch x86_64": 1}
    assert told_offers(HostFacts(offers=real)) == ("1 guest at once, KVM, no builds, arch x86_64")


def test_a_worker_says_what_begins_and_ends_on_it(tmp_path: Path) -> None:
    """Who looked at its terminal did not know whether anything came to it."""
    said = list[str]()
    mine = Here(tmp_path, {}, cast(Any, None), say=said.append)
    with mine.at("run", 1, "6.1 machine numa", lambda: None) as wanted:
        assert wanted
        assert said == ["6.1 machine numa: begins"]
    assert said[1:] == ["6.1 machine numa: ended after 0 s"]
    mine.end("run")
    with mine.at("run", 2, "6.12", lambda: None) as wanted:
        assert not wanted
    assert len(said) == 2


def test_a_worker_whose_words_nobody_can_have_works_on(tmp_path: Path) -> None:
    """The disk of its log is full, or who read it is gone."""

    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    mine, worked = Here(tmp_path, {}, cast(Any, None), say=full), False
    with mine.at("run", 1, "6.1", lambda: None) as wanted:
        worked = wanted
    assert worked


@pytest.mark.parametrize(
    ("width", "guests", "count"),
    [(1, 0, 1), (3, 0, 3), (9, 0, 4), (2, 2, 2), (6, 6, 3), (5, 5, 1), (3, 8, 2), (0, 0, 1)],
)
def test_guests_are_shared_by_all_workers_of_this_host(width: int, guests: int, count: int) -> None:
    """Each took all of them: twice as many ran as were asked for."""
    assert workers_here(width, guests) == count
    assert guests % count == 0


def facts(**offers: float) -> HostFacts:
    return HostFacts(name="far", offers={version_token(): 4, GUEST: 4, MEMORY: 8 * GIB, **offers})


def test_so_many_jobs_as_cpus_and_memory_carry() -> None:
    assert slots({GUEST: 1, MEMORY: GIB}, facts()) == 4
    assert slots({GUEST: 1, MEMORY: 3 * GIB}, facts()) == 2
    assert slots({GUEST: 1, KVM: 1}, facts()) == 0


def test_what_nobody_offers_is_named_with_what_there_is() -> None:
    needs = {version_token(): 1e-6, GUEST: 1, MEMORY: GIB}
    assert nobody(needs, [facts()]) is None
    error = nobody({**needs, KVM: 1, "label fast": 1e-6}, [facts()])
    assert error is not None
    assert "kvm" in error.what
    assert "label fast" in error.what
    assert "memory" not in error.what
    assert "far has" in str(error.detail)


def test_a_label_nobody_has_is_told_with_those_there_are() -> None:
    """One of the two workers of a host has it: the other said the same but for that."""
    needs = {version_token(): 1e-6, GUEST: 1, "label arm": 1e-6}
    error = nobody(needs, [facts(), facts(**{"label fast": 1})])
    assert error is not None
    assert error.what == "no worker offers label arm"
    assert str(error.detail).endswith("\nfar has 4 CPUs for a guest, label fast")
    assert str(error.hint).startswith("lab worker --label arm ADDRESS")


def test_a_job_whose_last_worker_went_is_told_and_ended(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are there, and none of them may take it: it would wait for ever."""
    words: list[str] = []
    project = Project(tmp_path)
    asked = ExecutorRequest(load(project.root), 1, lambda _: None, words.append)
    cluster = Cluster(asked, None)
    monkeypatch.setattr(cluster, "_look", lambda: {"tcp://1": facts()})
    cluster._client = SimpleNamespace(status="running")
    jobs = [make_job({"p": Script(("a",))}) for _ in range(2)]
    for number, (made, label) in enumerate(zip(jobs, ({"label fast": 1e-6}, {}), strict=True)):
        needs = {version_token(): 1e-6, **label}
        parcel = Parcel("run", number, made, "host", tmp_path, needs=needs)
        cluster._jobs[number] = _Sent(made, parcel)
    cluster._refuse_silence()
    assert words == [f"{jobs[0].name}: no worker offers label fast any more: waiting for one"]
    assert cluster._ended.empty()
    monkeypatch.setattr(executor, "ALONE_S", 0.0)
    cluster._refuse_silence()
    (number, record) = cluster._ended.get_nowait()  # type: ignore[misc]
    assert cluster._ended.empty()
    assert number == 0
    assert record.error is not None
    assert record.error.fault == "machine"


def test_a_scheduler_that_says_nothing_is_told_and_given_up(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopped closes no connection: it was waited for without a word, for ever."""
    words: list[str] = []
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, words.append)
    cluster, answers = Cluster(asked, Address("tcp://127.0.0.1:1")), [True]
    cluster._client = SimpleNamespace(status="running")
    job = make_job({"p": Script(("a",))})
    cluster._jobs[0] = _Sent(job, Parcel("run", 0, job, "host", tmp_path))
    monkeypatch.setattr(executor, "_LOOK_S", 0.0)
    monkeypatch.setattr(
        executor, "workers_of", lambda _: {"tcp://1": facts()} if answers[0] else None
    )
    cluster._refuse_silence()
    words.clear()
    answers[0] = False
    for _ in range(2):
        cluster._refuse_silence()
    assert words == ["the scheduler of tcp://127.0.0.1:1 does not answer: waiting for it"]
    answers[0] = True
    cluster._refuse_silence()
    monkeypatch.setattr(connection, "MUTE_S", 0.0)
    cluster._refuse_silence()
    answers[0] = False
    with pytest.raises(InfrastructureError, match="has not answered for 0 s") as caught:
        cluster._refuse_silence()
    assert "the same command goes on" in str(caught.value)


def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WorkersBuild, Any, list[str]]:
    """Who has a build made by workers, the build, and all that is said of it."""
    said: list[str] = []
    listener = Silent()
    monkeypatch.setattr(listener, "say", said.append, raising=False)
    monkeypatch.setattr(builds, "_LOOK_S", 0.01)
    maker = WorkersBuild(load(Project(tmp_path).root), Address("tcp://127.0.0.1:1"), listener)
    wanted = SimpleNamespace(stopped=lambda: False)
    return maker, SimpleNamespace(number=0, name="6.1", parcel=0, wanted=wanted), said


def test_a_scheduler_that_says_nothing_of_a_build_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, asked, said = asking(tmp_path, monkeypatch)
    client = SimpleNamespace(
        status="running",
        submit=lambda *_, **__: SimpleNamespace(add_done_callback=lambda _: None),
        cancel=lambda *_, **__: None,
    )
    monkeypatch.setattr(builds, "workers_of", lambda _: None)
    monkeypatch.setattr(connection, "MUTE_S", 0.2)
    maker._hosts = {"tcp://1": facts()}
    with pytest.raises(InfrastructureError, match="has not answered for"):
        maker._outcome(asked, client, "tcp://1")
    assert said == ["the scheduler of tcp://127.0.0.1:1 does not answer: waiting for it"]


def test_a_build_that_waits_for_anothers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another lab's build was there for six minutes, and nothing was said."""
    maker, asked, said = asking(tmp_path, monkeypatch)
    future = SimpleNamespace(
        status="finished",
        result=lambda: "built",
        add_done_callback=lambda done: threading.Timer(0.3, done, (None,)).start(),
    )
    client = SimpleNamespace(status="running", submit=lambda *_, **__: future)
    monkeypatch.setattr(builds, "workers_of", lambda _: {"tcp://1": facts()})
    maker._look(client)
    for patience in (60.0, 0.0):
        monkeypatch.setattr(builds, "_BEGUN_S", patience)
        maker._outcome(asked, client, "tcp://1")
    assert said == [f"6.1: waits for {facts().name}, which builds for others"]


def test_a_worker_that_does_not_answer_is_not_waited_for(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the lab in ten seconds, whichever host is busy or gone then."""
    monkeypatch.setattr(executor, "_ENDING_S", 0.5)
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, lambda _: None)
    cluster, asleep = Cluster(asked, None), threading.Event()
    cluster._client = SimpleNamespace(
        status="running", run=lambda *_, **__: asleep.wait(60.0), cancel=lambda *_, **__: None
    )
    job = make_job({"p": Script(("a",))})
    cluster._jobs[0] = _Sent(job, Parcel("run", 0, job, "host", tmp_path), begun=True)
    leaving = Deadline("leaving", 0.5 + 2 * LEAVING_S)
    assert list(cluster.stop()) == []
    cluster.__exit__(None, None, None)
    asleep.set()
    assert not leaving.passed


def test_why_a_job_goes_elsewhere_is_told_once(make_job: MakeJob, tmp_path: Path) -> None:
    words: list[str] = []
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, words.append)
    cluster, job = Cluster(asked, None), make_job({"p": Script(("a",))})
    cluster._jobs[0] = _Sent(job, Parcel("run", 0, job, "host", tmp_path))
    cluster._attempts.fail(0, "tcp://1", "full", InfrastructureError("its disk is full", hint="gc"))
    cluster._has_begun(Begun(0, "far", "tcp://2", time.time()))
    assert words == [f"{job.name}: booting on far"]
    cluster._attempts.of(0).pop(0)
    cluster._has_begun(Begun(0, "near", "tcp://3", time.time()))
    assert words[1].startswith(f"{job.name}: far: the worker tcp://2 was killed")
    assert words[1].endswith("; again on near")


def test_dask_says_nothing_where_the_lab_does() -> None:
    """A scheduler that is gone was a traceback of sixty lines, and then the one that says it."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.WARNING)
    silence_dask()
    for name in ("client", "core", "batched", "worker"):
        assert not logging.getLogger(f"distributed.{name}").isEnabledFor(logging.ERROR)


def test_what_runs_on_this_host_is_for_its_workers_alone(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one is there it goes to that, and to no other when that is lost."""
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, lambda _: None)
    cluster = Cluster(asked, None)
    cluster._client = SimpleNamespace(status="running")
    hosts = {"tcp://far": replace(facts(), boot="far"), "tcp://here": replace(facts(), boot="b")}
    monkeypatch.setattr(cluster, "_look", lambda: hosts)
    made = make_job({"p": Script(("a",))})
    needs = {version_token(): 1e-6}
    bound = _Sent(made, Parcel("run", 0, made, "b", tmp_path, needs=needs), bound=True)
    free = replace(bound, bound=False)
    assert cluster._candidates(bound) == ["tcp://here"]
    assert cluster._refused(bound, list(hosts.values())) is None
    del hosts["tcp://here"]
    assert cluster._candidates(bound) == []
    error = cluster._refused(bound, list(hosts.values()))
    assert error is not None
    assert "on the host of the lab" in error.what
    assert cluster._refused(free, list(hosts.values())) is None


def test_a_job_goes_where_its_kernel_was_built_if_that_is_free(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No longer than another could begin it."""
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, lambda _: None)
    cluster = Cluster(asked, None)
    cluster._needs = {GUEST: 4}
    monkeypatch.setattr(cluster, "_look", lambda: {"tcp://1": facts(), "tcp://2": facts()})
    made = replace(make_job({"p": Script(("a",))}), near="tcp://2")
    sent = _Sent(made, Parcel("run", 0, made, "b", tmp_path, needs=cluster._needs))
    assert cluster._candidates(sent) == ["tcp://2"]
    cluster._jobs[0] = replace(sent, worker="tcp://2")
    assert cluster._candidates(sent) == []
    assert cluster._candidates(replace(sent, job=replace(made, near="tcp://gone"))) == []


class Pair:
    """Two hosts with room for one job each, and jobs of which the first two are compared."""

    def __init__(self, make_job: MakeJob, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded = load(Project(root).root)
        self.cluster = Cluster(ExecutorRequest(loaded, 1, lambda _: None, lambda _: None), None)
        self.hosts = {f"tcp://{name}": replace(facts(slot=1.0), name=name) for name in "ab"}
        self.sent: list[tuple[int, list[str]]] = []
        made = make_job({"p": Script(("a",))})
        self.jobs = [replace(made, beside=beside) for beside in ("pair", "pair", "", "")]
        monkeypatch.setattr(self.cluster, "_look", lambda: self.hosts)
        monkeypatch.setattr(self.cluster, "_send", self._send)

    def _send(self, number: int, sent: _Sent) -> None:
        self.sent.append((number, self.cluster._candidates(sent)))
        sent.future = SimpleNamespace()

    def submit(self, *numbers: int) -> None:
        for number in numbers:
            self.cluster.submit(number, self.jobs[number])

    def begin(self, number: int, host: str) -> None:
        self.cluster._has_begun(Begun(number, host, f"tcp://{host}", 0.0))
        self.cluster._release()

    def end(self, number: int) -> None:
        del self.cluster._jobs[number]
        self.cluster._release()


@pytest.fixture
def pair(make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    return Pair(make_job, tmp_path, monkeypatch)


def test_what_is_compared_waits_at_its_host_and_keeps_no_other_from_work(pair: Pair) -> None:
    """From when it is known which that is: it has nothing to wait for, then."""
    pair.submit(0, 1)
    assert (pair.sent, pair.cluster.busy, pair.cluster.width) == ([(0, [])], 2, 3)
    pair.begin(0, "b")
    assert pair.sent == [(0, []), (1, ["tcp://b"])]
    assert (pair.cluster.busy, pair.cluster.width) == (2, 3)
    pair.submit(2)
    pair.begin(2, "a")
    pair.end(0)
    pair.begin(1, "b")
    assert (pair.cluster.busy, pair.cluster.width) == (2, 2)


def test_what_is_compared_takes_a_place_where_its_host_has_one(pair: Pair) -> None:
    pair.submit(0)
    pair.begin(0, "b")
    pair.end(0)
    pair.submit(1)
    assert pair.sent == [(0, []), (1, ["tcp://b"])]
    assert (pair.cluster.busy, pair.cluster.width) == (1, 2)


def test_what_is_compared_waits_for_no_host_that_is_gone(pair: Pair) -> None:
    pair.submit(0)
    pair.begin(0, "b")
    del pair.hosts["tcp://b"]
    pair.submit(1)
    assert pair.sent == [(0, []), (1, [])]
    assert (pair.cluster.busy, pair.cluster.width) == (2, 1)


def test_what_is_compared_waits_for_none_that_never_began(pair: Pair) -> None:
    pair.submit(0, 1)
    pair.end(0)
    assert pair.sent == [(0, []), (1, [])]


def test_what_waits_for_its_host_is_not_begun_after_the_end(pair: Pair) -> None:
    pair.cluster._client = SimpleNamespace(run=lambda *_, **__: None)
    pair.submit(0, 1)
    pair.cluster.end()
    assert list(pair.cluster._jobs) == [0]
    assert pair.cluster.next_record() is None


def test_a_job_goes_where_all_it_takes_was_sent(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each other worker would ask for it in turn, tens of megabytes at a time."""
    asked = ExecutorRequest(load(Project(tmp_path).root), 1, lambda _: None, lambda _: None)
    cluster = Cluster(asked, None)
    cluster._needs = {GUEST: 4}
    monkeypatch.setattr(cluster, "_look", lambda: {f"tcp://{n}": facts() for n in range(4)})
    wanted: list[list[str] | None] = []

    def submit(*_: object, workers: list[str] | None, **__: object) -> object:
        wanted.append(workers)
        return SimpleNamespace(key="k", add_done_callback=lambda _: None)

    cluster._client = SimpleNamespace(submit=submit, run=lambda *_, **__: {})
    job = replace(make_job({"p": Script(("a",))}), near="tcp://2")
    sent = _Sent(job, Parcel("run", 0, job, "b", tmp_path, needs=cluster._needs))
    cluster._jobs[0] = sent
    cluster._send(0, sent)
    for worker in ("tcp://2", "tcp://3"):
        cluster._bring(0, sent, Wants(worker, ()))
    assert wanted == [["tcp://2"], ["tcp://2"], ["tcp://3"]]
    other = replace(sent, supplied="")
    cluster._jobs[1] = other
    assert cluster._candidates(other) == ["tcp://2"]
    cluster._has_begun(Begun(0, "far", "tcp://2", 0.0))
    assert cluster._candidates(other) == []


def test_words_are_heard_while_it_is_asked_who_works(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes by the thread that hears words, which waits for the lock."""
    loaded = load(Project(tmp_path).root)
    cluster = Cluster(ExecutorRequest(loaded, 1, lambda _: None, lambda _: None), None)
    maker = WorkersBuild(loaded, Address("tcp://127.0.0.1:1"), Silent())
    free: list[bool] = []

    def hear(lock: Any) -> None:
        free.append(lock.acquire(timeout=5))
        if free[-1]:
            lock.release()

    def asked(lock: Any) -> dict[str, HostFacts]:
        hears = threading.Thread(target=hear, args=(lock,))
        hears.start()
        hears.join()
        return {"tcp://1": facts()}

    future = SimpleNamespace(add_done_callback=lambda _: None)
    cluster._client = SimpleNamespace(submit=lambda *_, **__: future)
    monkeypatch.setattr(executor, "workers_of", lambda _: asked(cluster._lock))
    made = make_job({"p": Script(("a",))})
    cluster._send(0, _Sent(made, Parcel("run", 0, made, "b", tmp_path)))
    monkeypatch.setattr(builds, "workers_of", lambda _: asked(maker._lock))
    assert maker._look(SimpleNamespace()) == {"tcp://1": facts()}
    assert free == [True, True]


def test_other_versions_are_named_with_what_mends_it() -> None:
    theirs = tuple((name, "1.0" if name == "dask" else value) for name, value in versions())
    other = replace(facts(), versions=theirs, offers={GUEST: 4, "versions 0": 4})
    error = nobody({version_token(): 1e-6}, [other])
    assert error is not None
    assert "far: dask 1.0, here " in str(error.detail)
    assert "Python" not in str(error.detail)
    # It was one word of the shell's, which pip refuses, and told where only the lab was another.
    dask = dict(versions())["dask"]
    assert f"pip install dask=={dask};" in str(error.hint)
    assert "commit" not in str(error.hint)
    old = tuple((name, "0" if name == "lab" else value) for name, value in versions())
    error = nobody({version_token(): 1e-6}, [replace(other, versions=old)] * 2)
    assert error is not None
    assert str(error.hint).startswith("on each host: the same commit of the lab; then start")
    assert str(error.detail).count("far: lab 0, here ") == 1


def test_a_host_that_is_odd_is_told() -> None:
    assert list(oddities(replace(facts(), at=100.0, free=9 * GIB), 100.0, "")) == []
    far = replace(facts(), at=100.0 + 86400 * 2, free=GIB, qemu="9.2")
    told = " ".join(oddities(far, 100.0, "7.2"))
    for word in ("2 days ahead", "QEMU is 9.2 there, 7.2 here", "1.0 GiB are free"):
        assert word in told


def result(test: str, status: Status = Status.PASS) -> TestResult:
    return TestResult("6.1", "6.1.1", "ext4-dax", "s", test, status)


def test_what_a_second_attempt_tells_again_is_not_told_twice() -> None:
    """A limit of failures counts each of them once."""
    made = Attempts()
    made.begin(Begun(0, "near", "tcp://1", 0.0))
    assert made.hear(Said(0, "tcp://1", result("a")))
    assert made.hear(Said(0, "tcp://1", result("a")))  # repeated
    made.begin(Begun(0, "far", "tcp://2", 0.0))
    told = [made.hear(Said(0, "tcp://2", result(name))) for name in ("a", "a", "a", "b")]
    assert told == [False, False, True, True]


def test_the_error_of_a_job_that_killed_has_the_last_words_of_both() -> None:
    made = Attempts()
    for name, worker, words in (("near", "tcp://1", "its guest: BUG"), ("far", "tcp://2", "")):
        made.begin(Begun(3, name, worker, 0.0))
        if words:
            made.hear(Said(3, worker, words, shown=False))
    made.fail(3, "tcp://2", "far", InfrastructureError("a process was killed"))
    error = made.verdict(3, "6.1")
    assert error.fault == "machine"
    assert "near: the worker tcp://1 was killed" in error.detail
    assert "last heard: its guest: BUG" in error.detail
    assert "far: a process was killed; last heard: nothing" in error.detail


def test_a_verdict_says_if_the_pair_ran_on_two_hosts() -> None:
    near, far = (replace(job(), evidence=Evidence(host=name)) for name in ("near", "far"))
    assert two_hosts(near, far) == "the two ran on near and far"
    assert two_hosts(near, near) == ""
    assert two_hosts(job(), job()) == ""


@pytest.fixture
def sent(tmp_path: Path, make_job: MakeJob) -> tuple[Parcel, Bundle]:
    folder = tmp_path / "theirs" / "builds" / "k"
    folder.mkdir(parents=True)
    (folder / "bzImage").write_bytes(b"kernel")
    bundle = Bundle(folder, (Sent("bzImage", file_digest(folder / "bzImage"), False),))
    made: Job = make_job({})
    return Parcel("r", 0, made, "", tmp_path / "theirs", (bundle,)), bundle


def test_a_file_is_taken_where_it_is_the_same(sent: tuple[Parcel, Bundle], tmp_path: Path) -> None:
    """One of the same name that holds something else is never booted."""
    parcel, bundle = sent
    ours = tmp_path / "ours"
    place = ours / "builds" / "k" / "bzImage"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"lennek")
    contents = bundle.read()
    (bundle.folder / "bzImage").rename(tmp_path / "gone")
    assert Unpacked(parcel, ours).missing == [bundle]
    receive(ours, bundle, contents)
    unpacked = Unpacked(parcel, ours)
    assert unpacked.missing == []
    found = unpacked.place(bundle.folder / "bzImage")
    assert found.read_bytes() == b"kernel"
    assert found.is_relative_to(ours / "sent")
    found.write_bytes(b"lennek")
    assert Unpacked(parcel, ours).missing == [bundle]
    place.write_bytes(b"kernel")
    assert Unpacked(parcel, ours).place(bundle.folder / "bzImage") == place


def test_what_came_otherwise_is_not_kept(sent: tuple[Parcel, Bundle], tmp_path: Path) -> None:
    _, bundle = sent
    with pytest.raises(InfrastructureError, match="did not come as it was sent"):
        receive(tmp_path / "ours", bundle, {"bzImage": b"other"})
    assert not list((tmp_path / "ours" / "sent").glob("[!.]*"))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", ""])
def test_another_hosts_name_for_a_file_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="nowhere here"):
        below(tmp_path, name)
