# SPDX-License-Identifier: GPL-2.0-only
"""How busy a cluster keeps its workers, with guests that are only pretended.

Usage: fleet.py [WORKERS...]   (1 4 16 64 256 without any; --lose N kills workers meanwhile)

The scheduler is Dask's own, in a process of its own, with its connections over loopback, and
the lab's executor sends it real jobs, in its waves, and takes their records.  What is not
real: a worker does not run a guest but sleeps as long as recorded jobs took, shortened by
--speed, and all workers share one process.  So each job costs scheduler and executor as much
as it ever would, and they have so much less time for it: what is measured is less than a
cluster of that size has.

It prints a row for each size: what came of ideal (all sleep, shared out evenly), and where
CPU went.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import pickle
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dask
from distributed import Scheduler, Worker, get_worker

from lab.config import LoadedConfig, load
from lab.execution.cluster.address import Address
from lab.execution.cluster.executor import Cluster
from lab.execution.cluster.host import SLOT, facts_of_here, version_token
from lab.execution.cluster.parcel import Parcel
from lab.execution.cluster.serving import FACTS, KILLED
from lab.execution.cluster.words import Begun, Done, Outcome, Said, packed
from lab.execution.executor import ExecutorRequest
from lab.execution.job import Job
from lab.execution.run_job import unrun_job
from lab.guest.fake import FakeSpec, Stage
from lab.model.records import Evidence, JobRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Stop

#: Seconds that jobs took, as recorded on two CPUs under TCG.
RECORDED_S = (7.1, 8.3, 15.3, 17.6, 20.3, 23.2, 23.5, 24.0, 30.9,
              33.6, 40.4, 47.2, 54.6, 58.7, 60.2, 73.8, 74.1, 77.9)  # fmt: skip
#: Results a second that a guest of the default matrix tells: 108 in a minute.
_RESULTS_S = 1.8
#: Jobs of one worker: enough that the end, when some have no job left, is little of it.
_JOBS_EACH = 20


@dataclass(frozen=True)
class Row:
    """One size, measured."""

    workers: int
    jobs: int
    took_s: float
    ideal_s: float
    scheduler_cpu_s: float
    executor_cpu_s: float
    lost: int
    waits: list[float]
    steady: float

    @property
    def efficiency(self) -> float:
        """How much of the time that an ideal cluster takes."""
        return self.ideal_s / self.took_s

    def __str__(self) -> str:
        return (
            f"{self.workers:7} {self.jobs:6} {self.took_s:8.1f} {self.ideal_s:8.1f} "
            f"{self.efficiency:10.3f} {self.steady:6.3f} "
            f"{self.scheduler_cpu_s / self.took_s:10.2f} "
            f"{self.executor_cpu_s / self.took_s:9.2f} "
            f"{1000 * (self.scheduler_cpu_s + self.executor_cpu_s) / self.jobs:8.1f} {self.lost:5} "
            f"{sum(self.waits) / self.jobs:7.2f} {max(self.waits):7.2f}"
        )


def durations(count: int, speed: float) -> list[float]:
    """So many, as recorded, in an order that is the same each time."""
    order = random.Random(1)  # no secret
    return [order.choice(RECORDED_S) / speed for _ in range(count)]


def pretend(content: bytes) -> Outcome:
    """What a worker does with a job: it says what a guest would, and sleeps as long."""
    parcel: Parcel = pickle.loads(content)
    worker, job = get_worker(), parcel.job
    address, long_s = worker.address, job.program_s
    waited_s = time.time() - job.settle_s
    worker.log_event(parcel.run, packed(Begun(parcel.number, "host", address, time.time())))
    ends = time.monotonic() + long_s
    told = max(1, round(long_s * _RESULTS_S))
    for number in range(told):
        time.sleep(max(0.0, (ends - time.monotonic()) / (told - number)))
        result = TestResult(job.variant, "6.1", "ext4-dax", "s", f"t{number}", Status.PASS)
        worker.log_event(parcel.run, packed(Said(parcel.number, address, result)))
    record = replace(unrun_job(job, Stop("pretended")), duration_s=waited_s)
    span = (("began", job.settle_s + waited_s), ("ended", time.time()))
    return Done("host", replace(record, evidence=replace(record.evidence, cost=span)))


def scheduler(mouth: Connection) -> None:
    """A process with the scheduler; ends when the other side of the pipe does."""

    logging.getLogger("distributed").setLevel(logging.ERROR)

    async def serve() -> None:
        made = await Scheduler(
            host="127.0.0.1",
            port=0,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            allowed_failures=KILLED,
        )
        mouth.send(made.address)
        while not mouth.poll():
            await asyncio.sleep(0.2)
        mouth.send(_cpu_s())
        await made.close()

    asyncio.run(serve())


def workers(address: str, count: int, lose: int, mouth: Connection) -> None:
    """A process with all workers; it closes some of them without a word, if asked."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    # What each does for itself, so many times in one process, would be all there is to measure.
    dask.config.set(
        {
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "5s",
            "distributed.admin.tick.limit": "60s",
            "distributed.admin.system-monitor.interval": "60s",
        }
    )

    async def serve() -> None:
        made = [await _worker(address) for _ in range(count)]
        mouth.send("up")
        left = lose
        while not mouth.poll():
            await asyncio.sleep(1.0)
            if left:
                left -= 1
                made[left].batched_stream.abort()
                await made[left].close(nanny=False, timeout=0, executor_wait=False)
        os._exit(0)

    asyncio.run(serve())


async def _worker(address: str) -> Worker:
    offers = {SLOT: 1.0, version_token(): 1.0}
    facts = facts_of_here(Path("/tmp"), offers).as_plain()
    worker = Worker(address, nthreads=1, memory_limit=0, resources=offers, host="127.0.0.1",
                    dashboard=False, dashboard_address="127.0.0.1:0",
                    startup_information={FACTS: lambda _: facts})  # fmt: skip
    return await worker


def measure(loaded: LoadedConfig, count: int, lose: int, jobs: int, speed: float) -> Row:
    """One size."""
    sleeps = durations(jobs, speed)
    with _processes(count, lose) as (address, asked_cpu_s):
        request = ExecutorRequest(loaded, count, lambda _: None, lambda _: None)
        cpu_s = _cpu_s()
        with Cluster(request, Address(address), pretend) as cluster:
            began = time.monotonic()
            records, sent = _run(cluster, sleeps)
            took_s = time.monotonic() - began
            assert len(records) == jobs
            errors = [record.error for record in records if record.error is not None]
            assert not errors, f"{len(errors)} jobs came to nothing, one of them by {errors[0]}"
        executor_cpu_s = _cpu_s() - cpu_s
        scheduler_cpu_s = asked_cpu_s()
    waits = [record.duration_s for record in records]
    cpu = (scheduler_cpu_s, executor_cpu_s)
    return Row(
        count, jobs, took_s, sum(sleeps) / count, *cpu, lose, waits, _steady(records, sent, count)
    )


def _steady(records: list[JobRecord], sent: tuple[float, float], count: int) -> float:
    """How busy the workers were while there were jobs left to send."""
    first, last = sent
    spans = [dict(record.evidence.cost) for record in records]
    busy_s = sum(max(0.0, min(last, span["ended"]) - span["began"]) for span in spans)
    return busy_s / (count * (last - first))


def _run(cluster: Cluster, sleeps: list[float]) -> tuple[list[JobRecord], tuple[float, float]]:
    """As a run does: no more than run at once are sent.  And when the first and last were."""
    left, first, last = list(enumerate(sleeps)), time.time(), 0.0
    records: list[JobRecord] = []
    while left or cluster.busy:
        while left and cluster.busy < cluster.width:
            number, sleep_s = left.pop()
            cluster.submit(number, _job(number, sleep_s))
            last = time.time()
        if (ended := cluster.next_record()) is not None:
            records.append(ended[1])
    return records, (first, last)


def _job(number: int, sleep_s: float) -> Job:
    spec = FakeSpec(Path("/nowhere"), Stage())
    made = Job(f"v{number}", "default", "default", "6.1.1", spec, (), None, sleep_s, (), Evidence())
    # No guest settles here: it says when the job was sent.
    return replace(made, settle_s=time.time())


@contextmanager
def _processes(count: int, lose: int) -> Iterator[tuple[str, Callable[[], float]]]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    hub = spawn.Process(target=scheduler, args=(theirs,), daemon=True)
    hub.start()
    address = ours.recv()
    far, near = spawn.Pipe()
    crowd = spawn.Process(target=workers, args=(address, count, lose, near), daemon=True)
    crowd.start()
    far.recv()

    def cpu_s() -> float:
        ours.send("end")
        return float(ours.recv())

    try:
        yield address, cpu_s
    finally:
        crowd.kill()
        hub.kill()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure the sizes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("workers", nargs="*", type=int, default=[1, 4, 16, 64, 256])
    parser.add_argument("--lose", type=int, default=0)
    parser.add_argument("--each", type=int, default=_JOBS_EACH)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--speed", type=float, default=10.0)
    given = parser.parse_args()
    lasts = f"{min(RECORDED_S):g} to {max(RECORDED_S):g} s"
    print(f"jobs last {lasts}, shortened {given.speed:g} times")
    print(
        "workers   jobs  took, s ideal, s efficiency steady scheduler  executor CPU ms/job  lost "
        "waited longest"
    )
    with tempfile.TemporaryDirectory() as folder:
        toml = Path(folder, "lab.toml")
        toml.write_text((Path(__file__).parents[1] / "lab.toml").read_text())
        for name in ("patches", "kconfigs", "guest-tests"):
            Path(folder, name).symlink_to(Path(__file__).parents[1] / name)
        loaded = load(toml)
        for count in given.workers:
            jobs = given.jobs or count * given.each
            print(measure(loaded, count, given.lose, jobs, given.speed), flush=True)


if __name__ == "__main__":
    main()
