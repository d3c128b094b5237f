# SPDX-License-Identifier: GPL-2.0-only
"""What a worker does with a job: in a process of its own, which dies with the worker."""

from __future__ import annotations

import pickle
import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from distributed import Worker, get_worker

from lab.config import LoadedConfig
from lab.errors import InfrastructureError, LabError
from lab.execution.cluster.disks import Disks, require_room
from lab.execution.cluster.from_store import bring_from_store
from lab.execution.cluster.host import GUEST, MEMORY, SLOT, HostFacts, facts_of_here
from lab.execution.cluster.needs import elsewhere_only, runs_on_host
from lab.execution.cluster.parcel import (
    Bundle,
    Parcel,
    Unpacked,
    gathered,
    receive,
)
from lab.execution.cluster.words import (
    Begun,
    Done,
    Failed,
    NotBegun,
    Outcome,
    Said,
    Told,
    Wants,
    Word,
    packed,
)
from lab.execution.job import Job
from lab.execution.pool import Pool
from lab.execution.surroundings import CPU
from lab.guest.movable import Movable
from lab.model.records import JobRecord, TestResult
from lab.model.status import Status
from lab.process.temporary import temporary_folder
from lab.store.registry import use_store
from lab.unforeseen import as_lab_error

#: How often a worker looks whether anybody still waits for a job, in seconds.
_TICK_S = 1.0
#: How often it says what its guest said last: that is all that is known once it was killed.
_CONSOLE_S = 5.0
_LONGEST_LINE = 300


@dataclass
class Here:
    """This worker, as its jobs know it.

    Attributes:
        cache: This host's.
        offers: What it told the scheduler that jobs may ask for.
        loaded: Its config.
        brought: Bytes that came from there, by run and number of a job.
        running: What ends the jobs and builds that run, by run and number.
        over: Runs that had their jobs ended.
        asked: Runs for which this host's store was asked.
        say: Told in a line what begins here, and what ended; by any thread.
    """

    cache: Path
    offers: Mapping[str, float]
    loaded: LoadedConfig
    brought: Counter[tuple[str, int]] = field(default_factory=Counter)
    running: dict[tuple[str, int], Callable[[], object]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    say: Callable[[str], object] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def facts(self) -> HostFacts:
        """The host, now."""
        return facts_of_here(self.cache, self.offers)

    def end(self, run: str) -> None:
        """Have a run's jobs end and give what they have, and none begin."""
        with self.lock:
            self.over.add(run)
            ends = [end for (of, _), end in self.running.items() if of == run]
        for end in ends:
            end()

    @contextmanager
    def at(self, run: str, number: int, what: str, end: Callable[[], object]) -> Iterator[bool]:
        """A job runs, or a build, that ``end`` ends; False where its run is over.

        Args:
            what: Names it, for who looks at this worker.
        """
        place, began = (run, number), time.monotonic()
        with self.lock:
            self.running[place] = end
            wanted = run not in self.over
        if wanted:
            self._tell(f"{what}: begins")
        try:
            yield wanted
        finally:
            with self.lock:
                self.running.pop(place, None)
            if wanted:
                self._tell(f"{what}: ended after {time.monotonic() - began:.0f} s")

    def _tell(self, line: str) -> None:
        # The disk of a worker's log may be full, or nobody read it any more: no job ends of that.
        with suppress(OSError, ValueError):
            self.say(line)


_HERE: list[Here] = []


def settle_here(here: Here) -> None:
    """Make this process a worker of the lab's."""
    _HERE[:] = [here]


def here() -> Here:
    """What this worker is.

    Raises:
        InfrastructureError: It is none of the lab's.
    """
    if not _HERE:
        raise InfrastructureError("this worker was not started by the lab", hint="lab worker")
    return _HERE[0]


def end_jobs(run: str) -> None:
    """Have a run's jobs end on this worker; called by whoever began it."""
    here().end(run)


def take(bundle: Bundle, contents: Mapping[str, bytes]) -> LabError | None:
    """Keep what was sent for a job to come; what is wrong with that, if anything."""
    try:
        receive(here().cache, bundle, contents)
    except Exception as error:
        return as_lab_error(error)
    return None


def work(content: bytes) -> Outcome:
    """Run the job of a pickled Parcel; what went wrong with this host is an outcome, too."""
    worker = get_worker()
    try:
        # From whoever has a certificate of this cluster, or is on this host.
        parcel: Parcel = pickle.loads(content)  # noqa: S301
        return _work(parcel, here(), worker)
    except Exception as error:
        return Failed(host_name(), worker.address, as_lab_error(error))


def host_name() -> str:
    """What this host calls itself."""
    return platform.node()


def _work(parcel: Parcel, mine: Here, worker: Worker) -> Outcome:
    use_store_of_here(worker, mine, parcel.run)
    unpacked = _unpacked(parcel, mine)
    if unpacked.missing:
        return Wants(worker.address, tuple(unpacked.missing))
    require_room(mine.cache)
    _refuse_elsewhere(parcel, mine)
    with temporary_folder("job") as folder:
        return _Play(parcel, mine, worker, folder / parcel.job.guest.folder.name, unpacked).run()


def _unpacked(parcel: Parcel, mine: Here) -> Unpacked:
    """What a job takes, as far as it is here or in this host's store."""
    unpacked = Unpacked(parcel, mine.cache)
    came = [bring_from_store(mine.cache, one, parcel.cache) for one in unpacked.missing]
    if not any(size is not None for size in came):
        return unpacked
    with mine.lock:
        mine.brought[parcel.run, parcel.number] += sum(filter(None, came))
    return Unpacked(parcel, mine.cache)


def use_store_of_here(worker: Worker, mine: Here, run: str) -> None:
    """Have this host's store asked; what is wrong with it is told to whoever waits.

    A worker lives for weeks: a store that was away for another run may be there for this one.
    """
    store = use_store(
        mine.cache,
        mine.loaded.store,
        lambda line: worker.log_event(run, packed(Told(host_name(), line))),
    )
    with mine.lock:
        met = run in mine.asked
        mine.asked.add(run)
    if store is not None and not met:
        store.try_again()


def _refuse_elsewhere(parcel: Parcel, mine: Here) -> None:
    """What runs on the host of the lab cannot be moved: its files, its interpreter."""
    if parcel.host != mine.facts.boot and runs_on_host(parcel.job):
        raise elsewhere_only(parcel.job)


class _Play:
    """A job on its way through this worker."""

    def __init__(
        self, parcel: Parcel, mine: Here, worker: Worker, folder: Path, unpacked: Unpacked
    ) -> None:
        self._parcel, self._mine, self._worker = parcel, mine, worker
        self._folder = folder
        job = settled(parcel.job, folder, mine.cache, unpacked.place)
        self._job = replace(job, prefetch=_has_room_for_two(parcel.needs, mine.offers))
        self._key = worker.get_current_task()
        self._last = ""
        self._said_at = time.monotonic()
        self._disks = Disks(mine.cache, folder.parent)
        self._errors: list[TestResult] = []

    def run(self) -> Outcome:
        number = self._parcel.number
        self._say(Begun(number, host_name(), self._worker.address, time.time()))
        with (
            Pool(1, self._tell, self._tell) as pool,
            self._mine.at(self._parcel.run, number, self._job.name, pool.end) as wanted,
        ):
            if not wanted:
                return NotBegun()
            pool.submit(number, self._job)
            record = self._waited(pool)
        if record is None:
            return NotBegun()
        with self._mine.lock:
            brought = self._mine.brought.pop((self._parcel.run, number), 0)
        boot = self._job.guest.recipe()
        done = Done(host_name(), _costing(record, brought), gathered(self._folder), boot)
        if (full := self._disks.filled(record)) is not None:
            return Failed(host_name(), self._worker.address, full, done)
        for error in self._errors:
            self._say(Said(number, self._worker.address, error))
        return done

    def _waited(self, pool: Pool) -> JobRecord | None:
        """The record; looks now and then whether anybody waits for it."""
        over = threading.Event()
        ticker = threading.Thread(target=_tick, args=(pool.wake, over), daemon=True)
        ticker.start()
        try:
            while pool.busy:
                ended = pool.next_record()
                if ended is not None:
                    return ended[1]
                if self._is_given_up():
                    pool.end()
                self._say_console()
                self._disks.look()
        finally:
            over.set()
        return None

    def _is_given_up(self) -> bool:
        """Whether the scheduler wants it no more: whoever began it is gone."""
        return is_given_up(self._worker, self._key)

    def _say_console(self) -> None:
        if time.monotonic() - self._said_at < _CONSOLE_S:
            return
        self._said_at = time.monotonic()
        line = _last_line(self._job.guest.folder / "console.log")
        if line and line != self._last:
            self._last = line
            self._say(
                Said(self._parcel.number, self._worker.address, f"its guest: {line}", shown=False)
            )

    def _tell(self, what: TestResult | str) -> None:
        if isinstance(what, TestResult) and what.status is Status.ERROR:
            # It may be this host's alone, and the job run elsewhere: then nobody is to count it.
            self._errors.append(what)
            return
        self._say(Said(self._parcel.number, self._worker.address, what))

    def _say(self, word: Word) -> None:
        self._worker.log_event(self._parcel.run, packed(word))


def is_given_up(worker: Worker, key: str) -> bool:
    """Whether the scheduler wants a task no more."""
    task = worker.state.tasks.get(key)
    return task is None or task.state in ("cancelled", "resumed")


def settled(job: Job, folder: Path, cache: Path, place: Callable[[Path], Path]) -> Job:
    """A job for this host, whose QEMU, accelerator and CPU its evidence then names."""
    spec = job.guest.settled(place, cache) if isinstance(job.guest, Movable) else job.guest
    spec = spec.in_folder(folder)
    told, around = spec.describe(), dict(job.evidence.surroundings)
    if CPU in around:
        around[CPU] = told.cpu
    evidence = replace(
        job.evidence,
        accelerator=told.accelerator,
        qemu_version=spec.version(),
        machine_description=told.hardware,
        hardware=told.hardware_key,
        surroundings=tuple(around.items()),
    )
    return replace(job, guest=spec, evidence=evidence)


def _costing(record: JobRecord, brought: int) -> JobRecord:
    """A job's record with the bytes that came from this host's store for it."""
    if not brought:
        return record
    cost = dict(record.evidence.cost)
    cost["store_bytes"] = cost.get("store_bytes", 0) + brought
    return replace(record, evidence=replace(record.evidence, cost=tuple(cost.items())))


def _has_room_for_two(needs: Mapping[str, float], offers: Mapping[str, float]) -> bool:
    """Whether there is memory for the next guest of each job that may run here."""
    jobs = min(offers.get(name, 0) // needs.get(name, 1) for name in (SLOT, GUEST))
    return 0 < 2 * jobs * needs.get(MEMORY, 0) <= offers.get(MEMORY, 0)


def _tick(wake: Callable[[], None], over: threading.Event) -> None:
    while not over.wait(_TICK_S):
        wake()


def _last_line(console: Path) -> str:
    try:
        with console.open("rb") as stream:
            stream.seek(max(0, console.stat().st_size - 4096))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_LINE]
