# SPDX-License-Identifier: GPL-2.0-only
"""Builds and guests that are only pretended: all that a worker does of them is to take as long.

What asks for them is the lab itself: its plan, its run, and the cluster's own code.
"""

from __future__ import annotations

import pickle
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf

from distributed import Worker, get_worker
from made_builds import made_build_job, made_of

from lab.build import BuildJob, Step
from lab.builder import Builder, Listener
from lab.config import LoadedConfig
from lab.execution.cluster.asked import address_of
from lab.execution.cluster.builds import WorkersBuild
from lab.execution.cluster.compiling import BuildParcel
from lab.execution.cluster.executor import Cluster
from lab.execution.cluster.parcel import Parcel
from lab.execution.cluster.words import (
    Begun,
    BuildOutcome,
    Built,
    Compiled,
    Done,
    Outcome,
    Said,
    Word,
    packed,
)
from lab.execution.executor import ExecutorRequest
from lab.execution.job import Job
from lab.model.records import JobRecord, TestResult, now
from lab.model.status import Status
from lab.model.variant import Variant

#: Seconds that jobs took on two CPUs under TCG: of runs of lab.toml's matrices, as their records
#: have it.
GUESTS_S = (7.1, 8.3, 15.3, 17.6, 20.3, 23.2, 23.5, 24.0, 30.9,
            33.6, 40.4, 47.2, 54.6, 58.7, 60.2, 73.8, 74.1, 77.9)  # fmt: skip
#: And builds from nothing: 6.1 twice (benchmarks/README.md), v4.1 by a worker (docs/scale.md).
COLD_S = (366.6, 482.2, 635.0)
#: And those on the objects of another of their kernel (benchmarks/README.md).
STEP_S = (8.5, 9.2, 9.9)
#: By how much a job takes longer or less than the last time.
VARIES = 0.15
#: Results a second that a guest of the default matrix tells: 108 in a minute.
RESULTS_S = 1.8
#: How often a build's steps are told, as lab.execution.cluster.compiling has it.
_STEP_S = 0.5


def drawn(of: tuple[float, ...], *names: object) -> float:
    """One of them, the same for the same names."""
    return random.Random(repr(names)).choice(of)  # no secret


def guest_s(variant: str, machine: str, config: str) -> float:
    """Seconds that a job takes."""
    return drawn(GUESTS_S, variant, machine, config)


def cold_s(kernel: str) -> float:
    """Seconds that a kernel takes from nothing."""
    return drawn(COLD_S, kernel)


def step_s(variant: str) -> float:
    """And on the objects of another of its kernel."""
    return drawn(STEP_S, variant)


@dataclass
class Seen:
    """What a host did, in seconds since 1970.

    Attributes:
        spans: From when to when something ran there.
        lost: When it was lost; what ran there after that did not.
        built: From nothing, how many.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    lost: float = inf
    built: int = 0

    def busy_s(self, since: float, until: float) -> float:
        """How long something ran there between two times."""
        until = min(until, self.lost)
        return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in self.spans)


@dataclass
class Pretender:
    """A host: what runs on it side by side takes as much longer.

    Attributes:
        speed: How many times faster than recorded all is.
        families: What it has objects of.
    """

    name: str
    speed: float
    families: set[tuple[str, str]] = field(default_factory=set)
    seen: Seen = field(default_factory=Seen)
    running: int = 0
    since: float = 0.0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Something runs here."""
        with self.changed:
            self.since = self.since if self.running else time.time()
            self.running += 1
            self.changed.notify_all()
        try:
            yield
        finally:
            with self.changed:
                self.running -= 1
                if not self.running:
                    self.seen.spans.append((self.since, time.time()))
                self.changed.notify_all()

    def lose(self) -> None:
        """It is gone, with what runs on it."""
        self.seen.lost = time.time()

    def spend(self, seconds: float) -> None:
        """So long alone, and longer beside others; of whoever is busy."""
        left = seconds
        with self.changed:
            while left > 0:
                since, at_once = time.monotonic(), self.running
                self.changed.wait(left * at_once)
                left -= (time.monotonic() - since) / at_once


#: By the address of its worker.
HOSTS: dict[str, Pretender] = {}


def pretend_build(content: bytes) -> BuildOutcome:
    """What a worker does with a build: it tells its steps, and takes as long."""
    parcel: BuildParcel = pickle.loads(content)
    worker, job = get_worker(), parcel.job
    host = HOSTS[worker.address]
    _say(worker, parcel.run, Begun(parcel.number, host.name, worker.address, time.time()))
    began, family = time.time(), (job.tree.family, job.config_digest)
    with host.busy():
        known = family in host.families
        long_s = (step_s(job.variant) if known else cold_s(job.tree.family)) / host.speed
        told = max(1, round(long_s / _STEP_S))
        for _ in range(told):
            host.spend(long_s / told)
            word = Compiled(parcel.number, worker.address, Step("CC", "mm/gup.o"))
            _say(worker, parcel.run, word)
        host.families.add(family)
        host.seen.built += not known
    made = made_of(job, duration_s=max(0.001, time.time() - began))
    return Built(host.name, worker.address, made)


def pretend_guest(content: bytes) -> Outcome:
    """What a worker does with a job: it says what guests would, and takes as long."""
    parcel: Parcel = pickle.loads(content)
    worker, job = get_worker(), parcel.job
    host, began = HOSTS[worker.address], time.time()
    _say(worker, parcel.run, Begun(parcel.number, host.name, worker.address, began))
    long_s = guest_s(job.variant, job.machine, job.config) / host.speed
    long_s *= random.Random(f"{parcel.run} {job.name}").uniform(1 - VARIES, 1 + VARIES)
    results = tuple(_results(job, max(1, round(long_s * RESULTS_S))))
    with host.busy():
        for result in results:
            host.spend(long_s / len(results))
            _say(worker, parcel.run, Said(parcel.number, worker.address, result))
    cost = (*job.evidence.cost, ("number", parcel.number), ("began", began))
    record = JobRecord(
        variant=Variant(job.variant),
        kernel_release=job.release,
        machine=job.machine,
        config=job.config,
        started=now(),
        duration_s=time.time() - began,
        evidence=replace(job.evidence, cost=cost),
        results=results,
    )
    return Done(host.name, record)


def _results(job: Job, count: int) -> Iterator[TestResult]:
    for number in range(count):
        unit = job.units[number % len(job.units)]
        name = f"{unit.program}.shared-rw.{number}"
        yield TestResult(
            job.variant, job.release, unit.filesystem.name, unit.suite, name, Status.PASS
        )


def _say(worker: Worker, run: str, word: Word) -> None:
    worker.log_event(run, packed(word))


class Pretending(Builder):
    """The lab's builder, with kernels of which there is no source."""

    def build_job(self, variant: Variant, config: str, fragments: tuple[str, ...] = ()) -> BuildJob:
        """See Builder."""
        options = self.asked(config, fragments)
        return made_build_job(self.cache, variant, options, self.toolchain)


class TimedCluster(Cluster):
    """The lab's executor, which notes when each job was sent."""

    sent: dict[int, float]

    def submit(self, number: int, job: Job) -> None:
        """See Executor."""
        self.__dict__.setdefault("sent", {}).setdefault(number, time.time())
        super().submit(number, job)


#: Those of this process.
CLUSTERS: list[TimedCluster] = []


def guests(asked: ExecutorRequest) -> Cluster:
    """In the place of what lab.execution.executor.EXECUTORS names."""
    CLUSTERS.append(TimedCluster(asked, address_of(asked.loaded), pretend_guest))
    return CLUSTERS[-1]


def builds(loaded: LoadedConfig, listener: Listener) -> WorkersBuild:
    """In the place of what lab.builder.elsewhere.MAKERS names."""
    address = address_of(loaded)
    assert address is not None
    return WorkersBuild(loaded, address, listener, pretend_build)
