# SPDX-License-Identifier: GPL-2.0-only
"""Builds of a tiny kernel by workers that are processes of this host, with caches of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from lab.build import Build, BuildJob, Step, Toolchain, find_build
from lab.build.brought import Made, keep_build
from lab.builder.elsewhere import WantedBuild
from lab.config import LoadedConfig, load
from lab.config.model import DirKernel
from lab.errors import InfrastructureError, UserError
from lab.execution.cluster.address import Address
from lab.execution.cluster.attempts import Attempt
from lab.execution.cluster.builds import WorkersBuild
from lab.execution.cluster.executor import Cluster
from lab.execution.executor import ExecutorRequest
from lab.guest.fake import Script
from lab.process.deadline import Deadline
from lab.process.seal import file_digest
from tests.build.conftest import Bench, bench
from tests.config.conftest import Project
from tests.execution.conftest import MakeJob
from tests.execution.test_cluster_store import LARGE

__all__ = ["bench"]
pytestmark = pytest.mark.slow

_START_S = 60.0


def until(true: Callable[[], object]) -> None:
    """Wait for something other processes do."""
    deadline = Deadline("what other processes do", _START_S)
    while not true():
        assert deadline.left_s > 0, "waited in vain"
        threading.Event().wait(0.05)


class Fleet:
    """A scheduler, and workers that come and go."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        root.mkdir(exist_ok=True)
        self._root, self._stack = root, stack
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self._workers: list[subprocess.Popen[bytes]] = []
        client = self._project("client")
        self.loaded: LoadedConfig = load(client)
        self._start("cluster", "scheduler", self.url, "--file", str(client))
        self._client: Client = stack.enter_context(
            Client(self.url, timeout=_START_S, set_as_default=False)
        )

    def _project(self, name: str) -> Path:
        root = self._root / name
        root.mkdir()
        project = Project(root)
        own = 'builds = 1\nguests = 1\n[paths]\ncache = "cache"\n'
        project.toml.write_text(own + project.toml.read_text())
        return root

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        made = subprocess.Popen([sys.executable, "-m", "lab", *words], stdout=subprocess.DEVNULL)
        self._stack.callback(made.wait)
        self._stack.callback(made.kill)
        return made

    def have(self, workers: int, *words: str) -> None:
        """Have so many; those that come now are started with these words, too."""
        self._workers = [one for one in self._workers if one.poll() is None]
        while len(self._workers) < workers:
            root = self._project(f"worker-{len(list(self._root.iterdir()))}")
            self._workers.append(self._start("worker", self.url, "--file", str(root), *words))
        until(lambda: len(self.addresses()) == workers)

    def addresses(self) -> set[str]:
        """Of those that are there."""
        return set(self._client.scheduler_info(n_workers=-1)["workers"])

    def kill(self, address: str) -> None:
        """As an OOM killer would."""
        pid: int = self._client.run(os.getpid, workers=[address])[address]
        (victim,) = (one for one in self._workers if one.pid == pid)
        victim.send_signal(signal.SIGKILL)
        victim.wait()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(tmp_path_factory.mktemp("fleet"), stack)


@dataclass
class Asker:
    """Who has builds made, and what it was told."""

    maker: WorkersBuild
    source: DirKernel
    told: list[str] = field(default_factory=list)
    over: bool = False

    def say(self, message: str) -> None:
        self.told.append(message)

    def step(self, variant: str, step: Step) -> None:
        """Not looked at."""

    def result(self, result: Any) -> None:
        """Not looked at."""

    def make(self, job: BuildJob) -> Build | None:
        return self.maker.made(WantedBuild(job, job.variant, self.source, lambda: self.over))

    @contextmanager
    def making(self, job: BuildJob) -> Iterator[list[Build | Exception | None]]:
        """Has it made beside; what came of it is in the list after the block."""
        came: list[Build | Exception | None] = []

        def make() -> None:
            try:
                came.append(self.make(job))
            except Exception as error:
                came.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        yield came
        thread.join()

    @property
    def attempts(self) -> list[Attempt]:
        """Who began it, the last of them now."""
        return [one for asked in self.maker._asked for one in self.maker._attempts.of(asked)]

    def is_at(self, number: int, bench: Bench) -> bool:
        """Whether it was begun so often, and compilers are at it."""
        return len(self.attempts) == number and bool(bench.processes())


@pytest.fixture
def asker(fleet: Fleet, bench: Bench) -> Iterator[Asker]:
    fleet.have(2)
    with asking(fleet, bench) as made:
        yield made


@contextmanager
def asking(fleet: Fleet, bench: Bench) -> Iterator[Asker]:
    script = bench.top / "cc"
    # Only what compiles is held: workers ask for its version.
    asked = '#!/bin/sh\ntest "$1" = --version && exec gcc --version'
    script.write_text(script.read_text().replace("#!/bin/sh", asked, 1))
    made = Asker.__new__(Asker)
    with WorkersBuild(fleet.loaded, Address(fleet.url), made) as maker:
        made.__init__(maker, DirKernel(kind="dir", path=bench.kernel))  # type: ignore[misc]
        yield made


def job_of(bench: Bench, **changes: Any) -> BuildJob:
    """With the compiler that is here, as every worker finds it."""
    probed = Toolchain.probe(str(bench.top / "cc"), 2)
    return replace(bench.job(**changes), toolchain=probed)


def test_a_build_is_what_this_host_would_have_made(asker: Asker, bench: Bench) -> None:
    """Byte for byte, vmlinux and all; nothing was compiled here."""
    job = job_of(bench)
    built = asker.make(job)
    assert built is not None
    assert (built.cached, built.worker.startswith("tcp://")) == (False, True)
    assert not (bench.cache / "workbenches").exists()
    again = find_build(job)
    assert again is not None
    assert again.host == os.uname().nodename
    assert built.image.read_bytes() == bench.from_nothing(job)
    ours = bench.top / "other-cache" / "builds" / job.key / "vmlinux"
    assert file_digest(built.folder / "vmlinux") == file_digest(ours)
    assert any("MiB came" in line for line in asker.told)


def test_a_kernel_that_does_not_build_is_told_as_here(asker: Asker, bench: Bench) -> None:
    """Once: no other worker is asked; its log is on this host's disk."""
    job = job_of(bench, files={"mm/gup.c": "int gup(void)\n{\n\treturn missing;\n}\n"})
    with pytest.raises(UserError) as caught:
        asker.make(job)
    with pytest.raises(UserError) as here:
        bench.build(job)
    assert (caught.value.what, caught.value.where) == (here.value.what, here.value.where)
    assert "return missing;" in str(caught.value.detail)
    log = Path(str(caught.value.hint).removeprefix("less "))
    assert log.is_relative_to(asker.maker._cache)
    assert "missing" in log.read_text()
    assert sum("building" in line for line in asker.told) == 1


def test_another_compiler_is_refused_with_words(asker: Asker, bench: Bench) -> None:
    """By both; then it is this host's to make."""
    job = job_of(bench)
    job = replace(job, toolchain=replace(job.toolchain, compiler="gcc (Another) 99.1"))
    assert asker.make(job) is None
    said = [line for line in asker.told if "another compiler" in line]
    assert len(said) == 3
    assert all("gcc (Another) 99.1 here" in line for line in said)
    assert said[-1].endswith("built here")


def test_another_source_under_the_same_name_is_refused(asker: Asker, bench: Bench) -> None:
    """The tree's name is of what was there; a worker that finds something else makes nothing."""
    job = job_of(bench)
    (bench.kernel / "mm" / "gup.c").write_text("int gup(void)\n{\n\treturn 7;\n}\n")
    gone = replace(job.tree, path=bench.top / "gone", identity="dir:1")
    assert asker.make(replace(job, tree=gone)) is None
    assert "another source" in asker.told[-1]


def test_the_build_of_a_worker_that_was_killed_goes_on_elsewhere(
    asker: Asker, fleet: Fleet, bench: Bench
) -> None:
    """Its compilers die with it."""
    job = job_of(bench)
    bench.hold.touch()
    with asker.making(job) as came:
        until(bench.reached.exists)
        compilers = bench.processes()
        assert compilers
        fleet.kill(asker.attempts[-1].worker)
        until(lambda: any("was killed" in line for line in asker.told))
        bench.hold.unlink()
    (built,) = came
    assert isinstance(built, Build)
    assert built.image.read_bytes() == bench.from_nothing(job)


def test_a_build_that_kills_two_workers_is_an_error(
    asker: Asker, fleet: Fleet, bench: Bench
) -> None:
    """Never the kernel's: it says what was heard of both."""
    bench.hold.touch()
    with asker.making(job_of(bench)) as came:
        for number in (1, 2):
            until(partial(asker.is_at, number, bench))
            fleet.kill(asker.attempts[-1].worker)
            until(lambda: not bench.processes() or len(asker.attempts) == 2)
    (error,) = came
    assert isinstance(error, InfrastructureError)
    assert "2 times" in error.what
    assert str(error).count("was killed") == 2
    until(lambda: not bench.processes())


def test_a_build_whose_worker_was_killed_goes_to_none_that_lacks_what_it_needs(
    tmp_path: Path, bench: Bench
) -> None:
    """Dask's scheduler would have taken that one, failed at it, and said nothing for ever."""
    with ExitStack() as stack:
        fleet = Fleet(tmp_path, stack)
        fleet.have(1)
        fleet.have(2, "--label", "small")
        asked = fleet.loaded.config.executor.model_copy(update={"labels": ("small",)})
        config = fleet.loaded.config.model_copy(update={"executor": asked})
        fleet.loaded = replace(fleet.loaded, config=config)
        asker = stack.enter_context(asking(fleet, bench))
        bench.hold.touch()
        with asker.making(job_of(bench)) as came:
            stack.callback(setattr, asker, "over", True)
            until(bench.reached.exists)
            fleet.kill(asker.attempts[-1].worker)
            bench.hold.unlink()
            began = time.monotonic()
            while not came and time.monotonic() - began < _START_S:
                time.sleep(0.1)
            asker.over = True
        assert came == [None]
        assert "no worker" in asker.told[-1]
        assert asker.told[-1].endswith("; built here")


def test_a_guest_whose_worker_was_killed_goes_to_another_like_it(
    tmp_path: Path, make_job: MakeJob
) -> None:
    """One that comes later; none that lacks what the job needs."""
    with ExitStack() as stack:
        fleet = Fleet(tmp_path / "fleet", stack)
        fleet.have(1)
        fleet.have(2, "--label", "small")
        asked = fleet.loaded.config.executor.model_copy(update={"labels": ("small",)})
        config = fleet.loaded.config.model_copy(update={"executor": asked})
        request = ExecutorRequest(
            replace(fleet.loaded, config=config), 2, lambda _: None, lambda _: None
        )
        cluster = stack.enter_context(Cluster(request, Address(fleet.url)))
        hosts = cluster._look()
        (near,) = (worker for worker, facts in hosts.items() if "label small" in facts.offers)
        job = make_job({"p": Script(("a", "b"), {"b": "block"})}, program_s=120.0, near=near)
        cluster.submit(1, job)
        waiting = threading.Thread(target=cluster.next_record, daemon=True)
        waiting.start()
        until(lambda: cluster._attempts.of(1))
        assert cluster._attempts.of(1)[0].worker == near
        fleet.kill(near)
        fleet.have(2, "--label", "small")
        until(lambda: len(cluster._attempts.of(1)) == 2)
        (last,) = fleet.addresses() - hosts.keys()
        assert cluster._attempts.of(1)[1].worker == last
        cluster.end()
        waiting.join(_START_S)


def test_who_gives_up_leaves_no_compiler(asker: Asker, bench: Bench) -> None:
    bench.hold.touch()
    with asker.making(job_of(bench)) as came:
        until(bench.reached.exists)
        asker.over = True
    assert isinstance(came[0], InfrastructureError)
    until(lambda: not bench.processes())


def test_what_comes_otherwise_is_not_kept(asker: Asker, bench: Bench) -> None:
    """A worker's word for a build is its seal, and the digests are looked at."""
    job = job_of(bench)
    built = bench.build(replace(job, cache=bench.top / "far"))
    names = ("build.json", "bzImage", "System.map", "config", "SHA256SUMS", "build.log")
    files = {name: (built.folder / name).read_bytes() for name in names}
    vmlinux = (built.folder / "vmlinux").read_bytes()
    good = Made(files, vmlinux, len(vmlinux), False, 1.0)
    other = bench.job(files={"mm/gup.c": "int gup(void)\n{\n\treturn 3;\n}\n"})
    for wanted, made in (
        (job, replace(good, files={**files, "bzImage": LARGE})),
        (job, replace(good, vmlinux=LARGE)),
        (replace(other, toolchain=job.toolchain), good),
    ):
        with pytest.raises(InfrastructureError, match="what came is not this build"):
            keep_build(wanted, made)
        assert find_build(wanted) is None
    assert keep_build(job, good).duration_s == 1.0
