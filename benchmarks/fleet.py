# SPDX-License-Identifier: GPL-2.0-only
"""How busy a cluster keeps its workers: the lab's own plan and run, with pretended work.

Usage: fleet.py [PART...]   (all without a name)
       fleet.py --workers 64 --kernels 14 --machines 30 --speed 10 [--lose N]

Real are a plan of lab.toml's kernels, each without a series and with it, with three configs on
many machines; the run of it, which has it built, makes the jobs, sends them, and records what
came; the cluster's code on both sides; and Dask's scheduler, in a process of its own, with its
connections over loopback.  What is not real: a worker does not build or boot, but waits as long
as recorded builds and guests took (pretended.py), shortened by --speed; and up to 64 workers
share a process.  So each job costs scheduler and lab as much as it ever would, and they have so
much less time for it: what is measured is less than a cluster of that size has.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dask
from bench import Part, Row, run
from distributed import Scheduler, Worker
from pretended import CLUSTERS, HOSTS, Pretender, Pretending, Seen, cold_s, guest_s, step_s

from lab.builder import Silent
from lab.builder.elsewhere import MAKERS
from lab.config import LoadedConfig, load
from lab.execution.cluster.host import (
    BUILD,
    GUEST,
    MEMORY,
    SLOT,
    arch_token,
    facts_of_here,
    version_token,
)
from lab.execution.cluster.serving import FACTS, KILLED
from lab.execution.executor import EXECUTORS
from lab.execution.jobs import Jobs
from lab.execution.run import Runner
from lab.model.records import RunRecord
from lab.plan import SeriesPlan, plan_series
from lab.results import Recorder

ROOT = Path(__file__).resolve().parents[1]
_SERIES, _CONFIGS = "dax-populate", ("default", "debug", "probes")
#: Seconds that a worker has to hear of anything.
_TICK_S = 0.1
_TENTHS = 10
#: Of 256 in one process each waited for its interpreter, a second and a half in a job.
_MOST_IN_ONE = 64


@dataclass(frozen=True)
class Size:
    """What is asked of a cluster.

    Attributes:
        kernels: So many of [matrix.history], each twice, with three configs: 6 builds each.
        machines: On so many each build is tested.
        speed: How many times faster than recorded all is.
        lose: So many workers are lost, one after the other.
        again: What is measured is the second run of it: all is built, and it is known how long
            jobs took.
        as_planned: Jobs begin in the order of the plan, all the same.
    """

    workers: int
    kernels: int
    machines: int
    speed: float
    lose: int = 0
    again: bool = False
    as_planned: bool = False


@dataclass(frozen=True)
class Measured:
    """What came of it, in seconds; CPU seconds of who is in the way.

    Attributes:
        ideal_s: All work, shared out evenly over the workers there were.
        busy: Which share of the workers was, in each tenth of the time.
        waits: From when a job was sent to when it began, the first time or again.
        making_s, recording_s: What the lab spent on making jobs, and on their records.
    """

    size: Size
    builds: int
    cold: tuple[int, int]
    jobs: int
    took_s: float
    ideal_s: float
    busy: tuple[float, ...]
    waits: tuple[float, ...]
    scheduler_s: float
    lab_s: float
    workers_s: float
    making_s: float
    recording_s: float

    @property
    def efficiency(self) -> float:
        """How much of the time that an ideal cluster takes."""
        return self.ideal_s / self.took_s

    @property
    def name(self) -> str:
        """For a table."""
        size = self.size
        lost = f", {size.lose} of them lost" if size.lose else ""
        again = ", all built before" if size.again else ""
        order = ", in the plan's order" if size.as_planned else ""
        return f"{size.workers} workers{lost}: {self.builds} builds, {self.jobs} jobs{again}{order}"

    def details(self) -> str:
        """What is told beside the row."""
        share = partial(_share, self.took_s)
        each_ms = 1000 / self.jobs
        waits = sorted(self.waits)
        return (
            f"  {self.cold[0]} builds from nothing, {self.cold[1]} of them needed\n"
            f"  shortened {self.size.speed:g} times, {self.jobs / self.took_s:.1f} jobs a second; "
            f"of a CPU: scheduler {share(self.scheduler_s)}, lab {share(self.lab_s)}, "
            f"workers {share(self.workers_s)}\n"
            f"  a job: scheduler {self.scheduler_s * each_ms:.1f} ms of CPU, lab "
            f"{self.lab_s * each_ms:.1f} ms, of which made in {self.making_s * each_ms:.1f} ms, "
            f"recorded in {self.recording_s * each_ms:.1f} ms (wall clock); began after "
            f"{sum(waits) / len(waits):.2f} s, the last after {waits[-1]:.2f} s\n"
            f"  busy in each tenth: {' '.join(f'{one:.2f}' for one in self.busy)}"
        )


def _share(whole: float, part: float) -> str:
    return f"{part / whole:.2f}"


# The scheduler and the workers: a process each.


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
            await asyncio.sleep(_TICK_S)
        mouth.send(_cpu_s())
        await made.close()

    asyncio.run(serve())


def workers(address: str, numbers: range, speed: float, mouth: Connection) -> None:
    """A process with some workers; loses some of them without a word, when it is told to."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    # What each does for itself, so many times in one process, would be all there is to measure.
    dask.config.set(
        {
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "5s",
            "distributed.admin.tick.limit": "60s",
            "distributed.admin.system-monitor.interval": "60s",
        }
    )

    asyncio.run(_serve(address, numbers, speed, mouth))


async def _serve(address: str, numbers: range, speed: float, mouth: Connection) -> None:
    made = [await _worker(address, number, speed) for number in numbers]
    mouth.send("up")
    due: list[float] = []
    while True:
        if mouth.poll():
            if not (told := mouth.recv()):
                break
            due = told
        for _ in [one for one in due if one <= time.time()]:
            due.pop(0)
            await _lose(made.pop())
        await asyncio.sleep(_TICK_S)
    mouth.send((_cpu_s(), [host.seen for host in HOSTS.values()]))
    await asyncio.sleep(3600)


async def _worker(address: str, number: int, speed: float) -> Worker:
    """A host of two CPUs, with a guest and a build at once."""
    offers = {SLOT: 2.0, GUEST: 2.0, BUILD: 1.0, MEMORY: 16 << 30, arch_token(): 1.0,
              version_token(): 1.0}  # fmt: skip
    facts = replace(facts_of_here(Path("/tmp"), offers), name=f"host-{number}").as_plain()
    worker = Worker(address, nthreads=4, memory_limit=0, resources=offers, host="127.0.0.1",
                    dashboard=False, dashboard_address="127.0.0.1:0",
                    startup_information={FACTS: lambda _: facts})  # fmt: skip
    await worker
    HOSTS[worker.address] = Pretender(f"host-{number}", speed)
    return worker


async def _lose(worker: Worker) -> None:
    HOSTS[worker.address].lose()
    worker.batched_stream.abort()
    await worker.close(nanny=False, timeout=0, executor_wait=False)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Cluster:
    """The two, in a ``with`` block."""

    def __init__(self, size: Size) -> None:
        self._size, self._stack = size, ExitStack()

    def __enter__(self) -> Self:
        self._hub, self.address = self._started(scheduler)
        size = self._size
        shares = range(0, size.workers, _MOST_IN_ONE)
        self._crowds = [
            self._started(
                workers,
                self.address,
                range(first, min(first + _MOST_IN_ONE, size.workers)),
                size.speed,
            )[0]
            for first in shares
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _started(self, what: Callable[..., None], *arguments: object) -> tuple[Connection, str]:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        made = spawn.Process(target=what, args=(*arguments, theirs), daemon=True)
        made.start()
        self._stack.callback(made.kill)
        return ours, str(ours.recv())

    def lose(self, when: Sequence[float]) -> None:
        """Have workers of the first process lost at these times."""
        if when:
            self._crowds[0].send(list(when))

    def ended(self) -> tuple[float, float, list[Seen]]:
        """CPU seconds of the scheduler and of all workers, and what was seen of each."""
        for crowd in self._crowds:
            crowd.send([])
        told = [crowd.recv() for crowd in self._crowds]
        self._hub.send("end")
        workers_s = sum(one for one, _ in told)
        return float(self._hub.recv()), workers_s, [host for _, hosts in told for host in hosts]


# The lab.


def plan_of(loaded: LoadedConfig, size: Size) -> SeriesPlan:
    """A series on kernels of lab.toml, each with three configs on so many machines."""
    kernels = loaded.config.matrix["history"].variants[: size.kernels]
    return plan_series(
        loaded, _SERIES, kernels, configs=_CONFIGS, machines=_machines(size.machines)
    )


def _machines(count: int) -> list[str]:
    return [f"machine-{number}" for number in range(count)]


def _project(folder: Path, address: str, size: Size) -> Path:
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    lines = [
        f'[executor]\nkind = "dask"\naddress = "{address}"',
        f'[paths]\ncache = "{folder}/cache"\nresults = "{folder}/results"',
        *(f'[machines.{name}]\naccelerator = "tcg"' for name in _machines(size.machines)),
    ]
    (folder / "lab.local.toml").write_text("\n".join(lines) + "\n")
    return folder / "lab.toml"


def _families(planned: SeriesPlan) -> set[tuple[str, str]]:
    """What one build of each is from nothing for: kernels, by their config."""
    return {(each.variant.kernel, each.config) for each in planned.plan.builds}


def _work_s(planned: SeriesPlan, *, built: bool) -> float:
    """All of a plan, as recorded: of each kernel and config one build is from nothing."""
    plan = planned.plan
    guests = sum(guest_s(*job.names) for job in plan.jobs)
    if built:
        return guests
    families = _families(planned)
    later = len(plan.builds) - len(families)
    first = sum(cold_s(kernel) for kernel, _ in families)
    steps = later * sum(step_s(each.variant) for each in plan.builds) / len(plan.builds)
    return first + steps + guests


@contextmanager
def _timed(owner: type, name: str) -> Iterator[list[float]]:
    """Seconds that each call of a method takes."""
    took: list[float] = []
    real = getattr(owner, name)

    def method(*arguments: object) -> object:
        before = time.monotonic()
        try:
            return real(*arguments)
        finally:
            took.append(time.monotonic() - before)

    with patch.object(owner, name, method):
        yield took


@contextmanager
def _pretended() -> Iterator[None]:
    """The cluster's code with pretended work in the place of its own."""
    with (
        patch.dict(EXECUTORS, {"dask": "pretended:guests"}),
        patch.dict(MAKERS, {"dask": "pretended:builds"}),
    ):
        yield


def measure(size: Size) -> Measured:
    """One size."""
    with tempfile.TemporaryDirectory(prefix="lab-fleet-") as folder, Cluster(size) as cluster:
        loaded = load(_project(Path(folder), cluster.address, size))
        planned = plan_of(loaded, size)
        runner = _runner(loaded, planned)
        # The programs of its guests are compiled once, whoever has how many workers.
        runner.preparer.programs(planned.plan.jobs[0].suites)
        if size.again:
            with _Watch():
                runner.run(planned.plan, ["fleet.py"])
        work_s = _work_s(planned, built=size.again) / size.speed
        began = time.time()
        lost = _losses(began, work_s, size)
        cluster.lose(lost)
        with _Watch(as_planned=size.as_planned) as watch:
            record = runner.run(planned.plan, ["fleet.py"])
        ended = time.time()
        scheduler_s, workers_s, seen = cluster.ended()
    _require_whole(record, planned)
    return Measured(
        size=size,
        builds=len(planned.plan.builds),
        cold=(sum(one.built for one in seen), len(_families(planned))),
        jobs=len(planned.plan.jobs),
        took_s=ended - began,
        ideal_s=(work_s - sum(when - began for when in lost)) / (size.workers - len(lost)),
        busy=tuple(_busy(seen, began, ended)),
        waits=tuple(_waits(record)),
        scheduler_s=scheduler_s,
        lab_s=watch.cpu_s,
        workers_s=workers_s,
        making_s=sum(watch.making),
        recording_s=sum(watch.recording),
    )


def _runner(loaded: LoadedConfig, planned: SeriesPlan) -> Runner:
    bases = {planned.patched(kernel): kernel for kernel in planned.kernels}
    return Runner(Pretending(loaded, Silent()), bases=bases, again=True)


def _losses(began: float, work_s: float, size: Size) -> list[float]:
    """When workers are lost: evenly over the time that all takes."""
    whole_s = work_s / size.workers
    return [began + whole_s * (number + 1) / (size.lose + 1) for number in range(size.lose)]


class _Watch:
    """What the lab spends meanwhile, in a ``with`` block."""

    def __init__(self, *, as_planned: bool = False) -> None:
        self._stack, self._as_planned = ExitStack(), as_planned
        self.cpu_s = 0.0

    def __enter__(self) -> Self:
        self._stack.enter_context(_pretended())
        if self._as_planned:
            self._stack.enter_context(patch.object(Recorder, "lasted", lambda _: {}))
        self.making = self._stack.enter_context(_timed(Jobs, "make"))
        self.recording = self._stack.enter_context(_timed(Recorder, "add_job"))
        self._before = _cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s = _cpu_s() - self._before
        self._stack.close()


def _require_whole(record: RunRecord, planned: SeriesPlan) -> None:
    """No job is missing, and none had an error: else nothing was measured."""
    asked = {job.names for job in planned.plan.jobs}
    assert {job.names for job in record.jobs} == asked, f"{len(record.jobs)} jobs came back"
    errors = [job.error for job in record.jobs if job.error is not None]
    assert not errors, f"{len(errors)} jobs came to nothing, one of them by {errors[0]}"
    assert not record.troubles, record.troubles


def _busy(seen: Sequence[Seen], began: float, ended: float) -> Iterator[float]:
    """Which share of all workers something ran on, in each tenth of the time."""
    part = (ended - began) / _TENTHS
    for number in range(_TENTHS):
        since = began + number * part
        yield sum(one.busy_s(since, since + part) for one in seen) / (len(seen) * part)


def _waits(record: RunRecord) -> Iterator[float]:
    """From when each job was sent to when it began where it ended."""
    sent = CLUSTERS[-1].sent
    for job in record.jobs:
        cost = dict(job.evidence.cost)
        yield cost["began"] - sent[int(cost["number"])]


def _row(size: Size, wanted: float | None = None) -> Iterator[Row]:
    found = measure(size)
    print(found.details(), flush=True)
    yield Row(
        found.name,
        f"{found.took_s:.0f} s",
        f"ideal {found.ideal_s:.0f} s",
        f"{found.efficiency:.3f}",
        f"at least {wanted:g}" if wanted else "",
        wanted is None or found.efficiency >= wanted,
    )


_AGAIN = Size(64, kernels=14, machines=2, speed=8, again=True)
#: Half an hour in all, most of it the one of 256; two CPUs that do nothing else.
PARTS: dict[str, Part] = {
    "1": partial(_row, Size(1, kernels=1, machines=4, speed=40)),
    "4": partial(_row, Size(4, kernels=2, machines=8, speed=20)),
    "16": partial(_row, Size(16, kernels=5, machines=20, speed=20)),
    "64": partial(_row, Size(64, kernels=14, machines=120, speed=12), 0.9),
    "256": partial(_row, Size(256, kernels=14, machines=120, speed=3), 0.75),
    "lost": partial(_row, Size(64, kernels=14, machines=30, speed=12, lose=4)),
    "again": partial(_row, _AGAIN),
    "as-planned": partial(_row, replace(_AGAIN, as_planned=True)),
}


def main() -> int:
    """Measure the parts, or the one size, that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--kernels", type=int, default=14)
    parser.add_argument("--machines", type=int, default=2)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--lose", type=int, default=0)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--as-planned", action="store_true")
    given = vars(parser.parse_args())
    parts = given.pop("parts")
    if given["workers"] is None:
        return run(PARTS, parts)
    return run({"": partial(_row, Size(**given))}, [])


if __name__ == "__main__":
    sys.exit(main())
