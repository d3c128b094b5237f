# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on the workers of a Dask cluster: the third of the executors.

Dask's scheduler chooses among the workers that offer what a job asks for, and sends a job
elsewhere when its worker is gone.  What the lab adds: no more jobs are sent than run at
once, so that a lost worker is not blamed on those that only waited there; a job that two
workers were lost with is an error, with what was heard of both; and each job's files come
back as if it had run here.
"""

from __future__ import annotations

import logging
import pickle
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeAlias

import dask
from distributed import Client, Future, LocalCluster
from distributed.scheduler import KilledWorker

from lab.doctor.proved import qemu_here
from lab.errors import InfrastructureError
from lab.execution.cluster.address import Address
from lab.execution.cluster.attempts import MOST, Attempts
from lab.execution.cluster.connection import (
    ALONE_S,
    LEAVING_S,
    Silence,
    connect,
    gone,
    no_workers,
    workers_of,
)
from lab.execution.cluster.host import HostFacts
from lab.execution.cluster.needs import (
    counted,
    elsewhere_only,
    fits,
    needs_of,
    nobody,
    oddities,
    runs_on_host,
    slots,
)
from lab.execution.cluster.parcel import Bundle, Parcel, bundles_of, scattered
from lab.execution.cluster.rooms import Rooms
from lab.execution.cluster.serving import KILLED, QUIET, SHARE
from lab.execution.cluster.words import (
    Begun,
    Done,
    Failed,
    NotBegun,
    Outcome,
    Said,
    Told,
    Wants,
    unpacked,
)
from lab.execution.cluster.work import end_jobs, take, work
from lab.execution.executor import ExecutorRequest
from lab.execution.job import Job
from lab.execution.recipe import keep_boot
from lab.execution.run_job import unrun_job
from lab.host.boot_id import boot_id
from lab.model.job_error import Fault, JobError
from lab.model.records import JobRecord
from lab.model.status import Status
from lab.model.unrun import Stop
from lab.process.deadline import Deadline
from lab.process.temporary import temporary_folder
from lab.results import JobFolder
from lab.unforeseen import as_lab_error

_LOOK_S = 2.0
#: How often those are looked at that wait, while others come to their end.
_CHECK_S = 5.0
#: What jobs have to end and say what they have: SIGTERM ends the lab in ten seconds, of which
#: workers that do not answer, and the scheduler, are taken leave of in twice LEAVING_S.
_ENDING_S = 6.0
#: Workers on this host, at most: each takes memory, and guests run in processes of their own.
_MOST_HERE = 4


def workers_here(width: int, guests: int) -> int:
    """How many workers this host has, for so many jobs at once.

    Args:
        guests: How many guests somebody asked for, which they share alike; 0 is nobody.
    """
    most = max(1, min(width, _MOST_HERE))
    return next(count for count in range(most, 0, -1) if guests % count == 0)


@dataclass
class _Sent:
    """A job that is on its way."""

    job: Job
    parcel: Parcel
    future: Future[Outcome] | None = None
    tried: list[str] = field(default_factory=list)
    begun: bool = False
    #: Its programs run on the host of the lab, which only workers there are on.
    bound: bool = False
    #: The workers that it is for; () is any.
    chosen: tuple[str, ...] = ()
    #: The one that has it, where that is known.
    worker: str = ""
    #: It waits for one host, which has no room for it, or for word which host that is.
    waits: bool = False
    #: The worker that was sent what it takes.
    supplied: str = ""
    #: Since when no worker that is there could take it.
    unfit_since: float | None = None


@dataclass(frozen=True)
class _Arrived:
    """How a task ended, and what it gave, which took some way to come."""

    key: str
    outcome: Outcome | None = None
    error: BaseException | None = None


#: What comes to who waits: how a task ended, a record that needs none, or a word to look.
_Numbered = tuple[int, JobRecord]
_Ended: TypeAlias = "_Arrived | _Numbered | None"


class Cluster:
    """Runs jobs on workers, in a ``with`` block; leaving it early ends them."""

    def __init__(
        self,
        asked: ExecutorRequest,
        address: Address | None,
        work: Callable[[bytes], Outcome] = work,
    ) -> None:
        """Prepare; entering its block connects.

        Args:
            address: The scheduler's; None starts a cluster on this host.
            work: What a worker does with a pickled Parcel.
        """
        self._asked, self._address, self._work = asked, address, work
        self._run = f"lab-{secrets.token_hex(6)}"
        self._stack = ExitStack()
        self._jobs: dict[int, _Sent] = {}
        self._numbers: dict[str, int] = {}
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._attempts = Attempts()
        self._hosts: dict[str, HostFacts] = {}
        self._looked = 0.0
        self._checked = time.monotonic()
        self._alone_since: float | None = None
        self._silence = Silence(self._told_address, asked.on_word)
        self._needs: dict[str, float] = {}
        #: Of which hosts, for what, and how many run at once there.
        self._at_once: tuple[Mapping[str, HostFacts], dict[str, float], int] = ({}, {}, 0)
        self._together: dict[str, str] = {}
        self._over = False
        self._lock = threading.RLock()
        self._client: Client

    def __enter__(self) -> Self:
        try:
            self._client = connect(self._address or self._here(), self._asked.on_word)
            self._stack.callback(self._client.close, timeout=LEAVING_S)
            self._client.subscribe_topic(self._run, self._hear)
            self._wait_for_workers()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._jobs:
            self._have_ended()
        self._stack.close()

    def _here(self) -> LocalCluster:
        """Workers on this host, which share what it has."""
        count = workers_here(self._asked.width, self._asked.loaded.config.guests)
        # A daemon may have no children, and a job is one.
        self._stack.enter_context(
            dask.config.set(
                {
                    **QUIET,
                    "distributed.worker.daemon": False,
                    "distributed.scheduler.allowed-failures": KILLED,
                }
            )
        )
        toml = str(self._asked.loaded.toml)
        # Dask's own place in /tmp stays.
        folder = self._stack.enter_context(temporary_folder("cluster"))
        made = LocalCluster(
            n_workers=count,
            threads_per_worker=max(2, -(-self._asked.width // count) + 1),
            processes=True,
            memory_limit=0,
            local_directory=str(folder),
            scheduler_kwargs={"local_directory": str(folder)},
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            preload=["lab.execution.cluster.serving"],
            env={"LAB_CONFIG": toml, SHARE: str(count)},
            silence_logs=logging.CRITICAL,
            # A port of loopback is open to every user of this host: certificates that are gone
            # with the cluster.
            security=True,
        )
        return self._stack.enter_context(made)

    def _wait_for_workers(self) -> None:
        deadline = Deadline("the first worker", ALONE_S)
        said = False
        while not self._look(anew=True):
            if deadline.left_s <= 0:
                raise no_workers(self._told_address)
            if not said:
                self._asked.on_word(f"{self._told_address} has no worker yet: waiting for one")
                said = True
            time.sleep(0.5)
        names = [f"{facts.name} ({counted(facts.cpus, 'CPU')})" for facts in self._hosts.values()]
        self._asked.on_word(f"{counted(len(names), 'worker')}: {', '.join(names[:8])}"
                            f"{', …' if names[8:] else ''}")  # fmt: skip

    @property
    def _told_address(self) -> str:
        return self._address.url if self._address is not None else "the cluster on this host"

    def _look(self, *, anew: bool = False) -> dict[str, HostFacts]:
        """The lab's workers there are, as of a moment ago."""
        with self._lock:
            if not anew and time.monotonic() - self._looked < _LOOK_S:
                return self._hosts
        asked = time.monotonic()
        found = workers_of(self._client)
        if found is not None or self._client.status == "running":
            self._silence.note(asked, answered=found is not None)
        if found is None:
            # Gone, or on its way back: who waits for a record finds out which.
            return self._hosts
        with self._lock:
            new = [found[worker] for worker in found.keys() - self._hosts.keys()]
            self._hosts, self._looked = found, time.monotonic()
        for facts in {facts.name: facts for facts in new}.values():
            for line in oddities(facts, facts.at, qemu_here()):
                self._asked.on_word(line)
        return found

    @property
    def width(self) -> int:
        """See Executor: so many as all workers run at once; one each, until a job was seen.

        Those that wait for one host keep no other from work.
        """
        hosts, needs = self._look(), self._needs
        known, of, _ = self._at_once
        if known is not hosts or of != needs:
            each = sum(slots(needs, host) for host in hosts.values()) if needs else len(hosts)
            self._at_once = (hosts, needs, each)
        waits = sum(sent.waits for sent in list(self._jobs.values()))
        return max(1, self._at_once[2]) + waits

    @property
    def busy(self) -> int:
        """See Executor."""
        return len(self._jobs)

    def submit(self, number: int, job: Job) -> None:
        """See Executor."""
        needs = needs_of(job, self._asked.loaded.config.executor.labels)
        parcel = Parcel(
            run=self._run,
            number=number,
            job=job,
            host=boot_id(),
            cache=self._asked.loaded.path(self._asked.loaded.config.paths.cache),
            bundles=bundles_of(job),
            needs=needs,
        )
        with self._lock:
            if self._over:
                return
            self._needs = needs
            sent = self._jobs[number] = _Sent(job, parcel, bound=runs_on_host(job))
        hosts = list(self._look().values())
        refused = self._refused(sent, hosts) if hosts else None
        if refused is not None:
            self._refuse(number, sent, refused)
        else:
            self._send_beside(number, sent)

    def _send_beside(self, number: int, sent: _Sent) -> None:
        """Send it, unless what it is compared with has yet to begin: it goes to the same host.

        There it waits, and the host with it, while this one hears of the other's end.
        """
        beside = sent.job.beside
        host = self._together.get(beside) if beside and not sent.bound else None
        if host is not None:
            rooms = self._rooms()
            sent.waits = rooms.is_there(host) and not rooms.has_on(host)
        else:
            sent.waits = self._is_foretold(sent)
        if host is not None or not sent.waits:
            self._send(number, sent)

    def _is_foretold(self, sent: _Sent) -> bool:
        """Whether another is on its way that it is compared with."""
        return bool(sent.job.beside) and sent.job.beside in self._on_their_way()

    def _on_their_way(self) -> set[str]:
        """What the jobs that were sent are compared with."""
        jobs = list(self._jobs.values())
        return {sent.job.beside for sent in jobs if sent.future is not None}

    def _release(self) -> None:
        """Send those that waited to hear which host they are for."""
        waiting = [(number, sent) for number, sent in list(self._jobs.items())
                   if sent.waits and sent.future is None]  # fmt: skip
        # Of hundreds that wait, each would look through the hundreds that run.
        foretold = self._on_their_way() if waiting else set()
        for number, sent in waiting:
            if sent.job.beside in self._together or sent.job.beside not in foretold:
                self._send_beside(number, sent)
                foretold.add(sent.job.beside)

    def _rooms(self, but: _Sent | None = None) -> Rooms:
        """As of now, for one job that is sent already as if it were not."""
        jobs = list(self._jobs.values())
        taken = [sent.worker for sent in jobs if sent.worker and sent is not but]
        return Rooms(self._look(), self._needs, taken)

    def _refuse(self, number: int, sent: _Sent, why: InfrastructureError) -> None:
        error = JobError.of(why, Fault.MACHINE)
        self._ended.put((number, unrun_job(sent.job, Stop(why.what), error)))

    def _send(self, number: int, sent: _Sent) -> None:
        chosen = tuple(self._candidates(sent))
        with self._lock:
            if self._over:
                return
            sent.chosen = chosen
            sent.worker = chosen[0] if len(chosen) == 1 else ""
            key = f"{self._run}-{number}-{len(sent.tried)}-{secrets.token_hex(3)}"
            sent.future = self._client.submit(
                self._work,
                # Dask would look through a value for names of its tasks.
                pickle.dumps(sent.parcel),
                key=key,
                pure=False,
                resources=dict(sent.parcel.needs),
                # No others, once these are gone: Dask's scheduler (2026.8) would take any, even
                # one that has not what is asked for, fail at that, and never say so.
                workers=list(sent.chosen) or None,
            )
            self._numbers[key] = number
        sent.future.add_done_callback(self._arrive)

    def _arrive(self, future: Future[Outcome]) -> None:
        """Bring what a task gave: some answers of two hosts, which no other is to wait for."""
        self._beside(lambda: self._fetch(future))

    def _fetch(self, future: Future[Outcome]) -> None:
        outcome: Outcome | None = None
        error: BaseException | None = None
        try:
            outcome = future.result()
        except BaseException as raised:
            error = raised
        self._ended.put(_Arrived(future.key, outcome, error))

    def _candidates(self, sent: _Sent) -> list[str]:
        """The workers that a job is for, if not for any: not those it failed on; with its like."""
        fitting = self._fitting(sent)
        if sent.tried or sent.bound:
            return [worker for worker in fitting if worker not in sent.tried]
        like = self._together.get(sent.job.beside) if sent.job.beside else None
        if like:
            return [worker for worker, facts in fitting.items() if facts.name == like]
        near = sent.supplied or sent.job.near
        return [near] if near in fitting and self._rooms(but=sent).has(near) else []

    def _refused(self, sent: _Sent, hosts: list[HostFacts]) -> InfrastructureError | None:
        """Why none of the workers there are may have a job; None if one may."""
        why = nobody(sent.parcel.needs, hosts)
        if why is None and sent.bound and not self._fitting(sent):
            return elsewhere_only(sent.job)
        return why

    def _fitting(self, sent: _Sent) -> dict[str, HostFacts]:
        return {worker: facts for worker, facts in self._look().items()
                if fits(sent.parcel.needs, facts)
                and (not sent.bound or facts.boot == sent.parcel.host)}  # fmt: skip

    def _hear(self, event: tuple[float, Any]) -> None:
        # Whatever goes wrong with telling: nothing more would be heard.
        with suppress(Exception):
            word = unpacked(event[1])
            if isinstance(word, Begun):
                self._has_begun(word)
            elif isinstance(word, Told):
                self._asked.on_word(f"{word.host}: {word.line}")
            elif isinstance(word, Said) and self._attempts.hear(word):
                self._asked.board.hear(word.number, word.what)
                if word.shown:
                    self._show(word)

    def _show(self, word: Said) -> None:
        if isinstance(word.what, str):
            self._asked.on_word(word.what)
        else:
            self._asked.on_result(word.what)

    def _has_begun(self, word: Begun) -> None:
        sent = self._jobs.get(word.number)
        if sent is None:
            return
        before = self._attempts.begin(word)
        sent.begun, sent.waits, sent.worker = True, False, word.worker
        name = sent.job.name
        self._asked.board.begin(word.number, word.host, name)
        if sent.job.beside:
            self._together.setdefault(sent.job.beside, word.host)
            # Others may have waited to hear of it.
            self.wake()
        # What it failed of was told as it failed.
        lost = f"{before}; again" if before is not None and not before.why else "booting"
        self._asked.on_word(f"{name}: {lost} on {word.host}")
        facts = self._hosts.get(word.worker)
        if facts is not None and before is None:
            self._tell_clock(replace(facts, at=word.at, free=1 << 60))
        if len(self._attempts.of(word.number)) > MOST:
            self._give_up(word.number, sent)

    def _tell_clock(self, facts: HostFacts) -> None:
        with self._lock:
            known = f"clock {facts.name}"
            if known in self._together:
                return
            self._together[known] = facts.name
        for line in oddities(facts, time.time(), ""):
            self._asked.on_word(line)

    def _give_up(self, number: int, sent: _Sent) -> None:
        """A scheduler that is not the lab's would have it kill more workers than two."""
        made = self._attempts.of(number)
        del made[MOST:]
        if sent.future is not None:
            self._numbers.pop(sent.future.key, None)
            self._beside(lambda: self._client.cancel([sent.future], force=True))
        self._ended.put((number, self._lost(number, sent)))

    def _lost(self, number: int, sent: _Sent) -> JobRecord:
        error = self._attempts.verdict(number, sent.job.name)
        return unrun_job(sent.job, Stop(error.what), error)

    def wake(self) -> None:
        """See Executor."""
        self._ended.put(None)

    def next_record(self) -> tuple[int, JobRecord] | None:
        """See Executor."""
        while True:
            self._release()
            try:
                ended = self._ended.get(timeout=_LOOK_S)
            except queue.Empty:
                self._refuse_silence()
                continue
            if time.monotonic() - self._checked > _CHECK_S:
                self._refuse_silence()
            if ended is None:
                return None
            waiting = self.busy
            found = self._ended_job(ended)
            if found is not None:
                self._asked.board.end(found[0])
            if found is not None or self.busy < waiting:
                return found

    def _ended_job(self, ended: _Arrived | _Numbered) -> _Numbered | None:
        """A job's record; None where there is none yet, or the job is not to have one."""
        if isinstance(ended, tuple):
            return ended if self._jobs.pop(ended[0], None) is not None else None
        number = self._numbers.pop(ended.key, None)
        if number is None or number not in self._jobs:
            return None
        record = self._record(number, ended)
        if record is None:
            return None
        del self._jobs[number]
        return number, record

    def _refuse_silence(self) -> None:
        """Raise InfrastructureError where nobody is there who could end the waiting."""
        if self._client.status != "running":
            raise gone(self._told_address)
        self._checked = time.monotonic()
        hosts = list(self._look().values())
        self._silence.refuse()
        if hosts:
            self._alone_since = None
            for number, sent in list(self._jobs.items()):
                self._send_elsewhere(number, sent)
                self._refuse_unfit(number, sent, hosts)
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
            self._asked.on_word(f"{self._told_address} has no worker left: waiting for one")
        elif time.monotonic() - self._alone_since > ALONE_S:
            raise no_workers(self._told_address)

    def _send_elsewhere(self, number: int, sent: _Sent) -> None:
        """Send a job again all of whose workers are gone: it would wait for them."""
        future = sent.future
        if future is None or future.done() or not sent.chosen:
            return
        if not self._look().keys().isdisjoint(sent.chosen):
            return
        self._numbers.pop(future.key, None)
        self._beside(lambda: self._client.cancel([future], force=True))
        if len(self._attempts.of(number)) >= MOST:
            self._ended.put((number, self._lost(number, sent)))
            sent.chosen = ()
        else:
            self._send(number, sent)

    def _refuse_unfit(self, number: int, sent: _Sent, hosts: list[HostFacts]) -> None:
        """End a job whose workers went, while those that stay cannot take it: it would wait for
        ever, and without a word.
        """
        why = self._refused(sent, hosts)
        if why is None:
            sent.unfit_since = None
        elif sent.unfit_since is None:
            sent.unfit_since = time.monotonic()
            self._asked.on_word(f"{sent.job.name}: {why.what} any more: waiting for one")
        elif time.monotonic() - sent.unfit_since > ALONE_S:
            if (future := sent.future) is not None:
                self._beside(lambda: self._client.cancel([future], force=True))
            self._refuse(number, sent, why)

    def _record(self, number: int, ended: _Arrived) -> JobRecord | None:
        """What came of a job; None where nothing did, or it goes on elsewhere."""
        sent, error = self._jobs[number], ended.error
        if ended.outcome is not None:
            return self._of(number, sent, ended.outcome)
        if isinstance(error, CancelledError) or self._client.status != "running":
            if not self._over:
                raise gone(self._told_address)
            del self._jobs[number]
            return None
        if isinstance(error, KilledWorker):
            return self._lost(number, sent)
        said = as_lab_error(error) if isinstance(error, Exception) else gone(self._told_address)
        return unrun_job(sent.job, Stop(said.what), JobError.of(said, Fault.MACHINE))

    def _of(self, number: int, sent: _Sent, outcome: Outcome) -> JobRecord | None:
        if isinstance(outcome, Done):
            evidence = replace(outcome.record.evidence, host=outcome.host)
            record = replace(outcome.record, evidence=evidence)
            lost = self._not_kept(sent, outcome)
            if lost is None or record.error is not None:
                return record
            # What was heard of it is better than nothing, and is no whole answer.
            return replace(record, error=JobError.of(lost, Fault.MACHINE))
        if isinstance(outcome, Wants):
            # Megabytes: others are not to wait for them.
            bring = threading.Thread(target=self._bring, args=(number, sent, outcome), daemon=True)
            bring.start()
            return None
        if isinstance(outcome, NotBegun):
            del self._jobs[number]
            return None
        return self._failed(number, sent, outcome)

    def _not_kept(self, sent: _Sent, done: Done) -> InfrastructureError | None:
        """Keep the files of a job; why they cannot be, None where they are."""
        folder = sent.job.guest.folder
        try:
            scattered(folder, done.files)
            if done.boot is not None and done.boot != sent.job.guest.recipe():
                keep_boot(JobFolder(folder), done.boot)
        except Exception as error:
            why = as_lab_error(error)
            return InfrastructureError(
                f"what came of it cannot be kept: {why.what}", where=folder, hint=why.hint
            )
        return None

    def _failed(self, number: int, sent: _Sent, failed: Failed) -> JobRecord | None:
        self._attempts.fail(number, failed.worker, failed.host, failed.error)
        sent.tried.append(failed.worker)
        if len(self._attempts.of(number)) >= MOST or not self._candidates(sent):
            return self._done_by_none(number, sent, failed)
        self._asked.on_word(f"{sent.job.name}: {failed.host}: {failed.error.what}; again elsewhere")
        self._send(number, sent)
        return None

    def _done_by_none(self, number: int, sent: _Sent, failed: Failed) -> JobRecord | None:
        if failed.done is not None:
            # What it has done is better than nothing, and has errors where it is to have them.
            self._asked.on_word(f"{sent.job.name}: {failed.host}: {failed.error.what}")
            for result in failed.done.record.results:
                if result.status is Status.ERROR:
                    self._asked.on_result(result)
            record = self._of(number, sent, failed.done)
            if record is None or record.error is not None:
                return record
            # Its console may lack what the kernel complained of: its passes are no whole answer.
            return replace(record, error=JobError.of(failed.error, Fault.MACHINE))
        if len(self._attempts.of(number)) >= MOST:
            error = self._attempts.verdict(number, sent.job.name)
        else:
            said = f"{failed.host}: {failed.error.what}"
            error = replace(JobError.of(failed.error, Fault.MACHINE), what=said)
        return unrun_job(sent.job, Stop(error.what), error)

    def _bring(self, number: int, sent: _Sent, wants: Wants) -> None:
        """Send a worker what it lacks, and the job again."""
        try:
            for bundle in wants.bundles:
                self._bring_one(wants.worker, bundle)
        except Exception as error:
            failed = Failed(wants.worker, wants.worker, as_lab_error(error))
            record = self._failed(number, sent, failed)
            if record is not None:
                self._ended.put((number, record))
            return
        # Any other would lack it, too, and be sent it in turn.
        sent.supplied = wants.worker
        self._send(number, sent)

    def _bring_one(self, worker: str, bundle: Bundle) -> None:
        said = self._client.run(take, bundle, bundle.read(), workers=[worker])
        error = said.get(worker)
        if error is not None:
            raise error

    def end(self) -> None:
        """See Executor."""
        with self._lock:
            self._over = True
            waiting = [sent.future for sent in self._jobs.values()
                       if not sent.begun and sent.future is not None]  # fmt: skip
            for number, sent in list(self._jobs.items()):
                if sent.waits and sent.future is None:
                    del self._jobs[number]
        self.wake()
        self._beside(lambda: self._client.run(end_jobs, self._run, on_error="ignore"))
        if waiting:
            self._beside(lambda: self._client.cancel(waiting))

    def _beside(self, do: Callable[[], object]) -> threading.Thread:
        """Have it done from no thread of Dask's, which would wait for itself.

        What it raises is that the cluster is gone, as whoever waits for a record finds out.
        """

        def done() -> None:
            with suppress(Exception):
                do()

        thread = threading.Thread(target=done, daemon=True)
        thread.start()
        return thread

    def stop(self) -> Iterator[tuple[int, JobRecord]]:
        """See Executor."""
        self.end()
        deadline = Deadline("ending", _ENDING_S)
        while self._jobs and deadline.left_s > 0:
            try:
                ended = self._ended.get(timeout=max(0.01, deadline.left_s))
            except queue.Empty:
                break
            if ended is None or isinstance(ended, tuple):
                continue
            number = self._numbers.pop(ended.key, None)
            sent = self._jobs.pop(number, None) if number is not None else None
            if sent is None or number is None:
                continue
            if isinstance(ended.outcome, Done):
                record = self._of(number, sent, ended.outcome)
                if record is not None:
                    yield number, record

    def _have_ended(self) -> None:
        """Leave nothing that runs: what a worker was told is done, whoever hears of it."""
        self._over = True
        futures = [sent.future for sent in self._jobs.values() if sent.future is not None]
        # A worker that does not answer would be waited for by the minute.
        deadline = Deadline("leaving", LEAVING_S)
        for thread in (
            self._beside(lambda: self._client.run(end_jobs, self._run, on_error="ignore")),
            self._beside(lambda: self._client.cancel(futures, force=True)),
        ):
            thread.join(max(0.0, deadline.left_s))
