# SPDX-License-Identifier: GPL-2.0-only
"""Builds on the workers of a cluster: each as this host would have made it, or here after all."""

from __future__ import annotations

import pickle
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from lab.build import Build
from lab.build.brought import keep_build
from lab.builder import Listener
from lab.builder.elsewhere import WantedBuild
from lab.config import LoadedConfig
from lab.errors import InfrastructureError, LabError
from lab.execution.cluster.address import Address
from lab.execution.cluster.attempts import MOST, Attempts
from lab.execution.cluster.compiling import BuildParcel, Compile, compile_there
from lab.execution.cluster.connection import (
    ALONE_S,
    LEAVING_S,
    Silence,
    connect,
    gone,
    no_workers,
    workers_of,
)
from lab.execution.cluster.host import BUILD, HostFacts, version_token
from lab.execution.cluster.needs import fits, needs_of_all, nobody, other_versions
from lab.execution.cluster.placing import Family, Placing
from lab.execution.cluster.words import (
    Begun,
    BuildOutcome,
    Built,
    Compiled,
    Failed,
    NotBuilt,
    Said,
    Told,
    unpacked,
)
from lab.execution.cluster.work import end_jobs
from lab.host.boot_id import boot_id
from lab.process.deadline import Deadline
from lab.process.scratch import write_whole
from lab.process.shelf import SENT
from lab.results.hosts import Doing
from lab.unforeseen import as_lab_error

#: How often who waits for a build looks whether anybody wants it, in seconds.
_LOOK_S = 0.5
#: How long what is known of the workers is taken for what is.
_KNOWN_S = 2.0
#: How long a worker that has room for it, as far as this lab knows, may take to begin a build
#: before that is told: another lab's may be there.
_BEGUN_S = 5.0
_LOG = "build.log"


@dataclass
class _Asked:
    """A build that is on its way.

    Attributes:
        tried: Workers that could not make it.
        why: What the last of these said.
    """

    number: int
    wanted: WantedBuild
    parcel: BuildParcel
    tried: list[str] = field(default_factory=list)
    why: str = ""

    @property
    def name(self) -> str:
        """What it is called for a reader."""
        return self.wanted.name

    @property
    def family(self) -> Family:
        """Builds of which one is a step on the other's objects."""
        return self.wanted.job.tree.family, self.wanted.job.config_digest


class WorkersBuild:
    """Has builds made by workers, in a ``with`` block; leaving it ends those under way."""

    def __init__(
        self,
        loaded: LoadedConfig,
        address: Address,
        listener: Listener,
        compile_it: Compile = compile_there,
    ) -> None:
        """Prepare; the first build connects.

        Args:
            compile_it: What a worker does with a pickled BuildParcel.
        """
        self._loaded, self._address, self._listener = loaded, address, listener
        self._compile = compile_it
        self._run = f"lab-{secrets.token_hex(6)}"
        self._numbers = count()
        self._asked: dict[int, _Asked] = {}
        self._attempts = Attempts()
        self._client: Client | None = None
        self._hosts: dict[str, HostFacts] = {}
        self._looked = -_KNOWN_S
        self._silence = Silence(address.url, listener.say)
        self._placing = Placing()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        client = self._client
        if client is None:
            return
        if self._asked:
            # A worker that does not answer is waited for by the minute: whose compilers it has
            # are ended as the scheduler tells it that nobody waits for them.
            ending = threading.Thread(target=_end, args=(client, self._run), daemon=True)
            ending.start()
            ending.join(LEAVING_S)
        client.close(timeout=LEAVING_S)

    def doing(self) -> Sequence[Doing]:
        """See Elsewhere."""
        return [
            Doing(made[-1].host, asked.name, made[-1].last)
            for asked in list(self._asked.values())
            if (made := self._attempts.of(asked.number)) and not made[-1].why
        ]

    def made(self, wanted: WantedBuild) -> Build | None:
        """See Elsewhere."""
        number = next(self._numbers)
        try:
            parcel = BuildParcel.of(self._run, number, wanted.job, wanted.source, boot_id())
        except OSError as error:
            raise InfrastructureError(
                f"what is in its tree cannot be read: {error.strerror}", where=error.filename
            ) from error
        asked = self._asked[number] = _Asked(number, wanted, parcel)
        try:
            return self._made(asked, self._connected())
        finally:
            del self._asked[number]

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = connect(self._address, self._listener.say)
                self._client.subscribe_topic(self._run, self._hear)
            return self._client

    def _made(self, asked: _Asked, client: Client) -> Build | None:
        """Whatever comes of it on one worker after the other."""
        while (worker := self._chosen(asked, client)) is not None:
            try:
                outcome = self._outcome(asked, client, worker)
            finally:
                self._placing.leave(worker)
            if outcome is None:
                self._refuse_killing(asked)
                continue
            if isinstance(outcome, Built):
                return self._kept(asked, outcome)
            if isinstance(outcome, NotBuilt):
                raise self._not_built(asked, outcome)
            if not isinstance(outcome, Failed):
                raise _stopped(asked)
            self._failed(asked, outcome)
        self._listener.say(f"{asked.name}: {asked.why}; built here")
        return None

    def _failed(self, asked: _Asked, failed: Failed) -> None:
        self._attempts.fail(asked.number, failed.worker, failed.host, failed.error)
        asked.tried.append(failed.worker)
        asked.why = f"{failed.host}: {failed.error.what}"
        self._listener.say(f"{asked.name}: {failed.host}: {failed.error.what}; elsewhere")

    def _chosen(self, asked: _Asked, client: Client) -> str | None:
        """The worker that is to make it, once one has room; None where nobody could.

        Raises:
            InfrastructureError: There is no worker, or none of these versions; or nobody wants it
                any more, or the scheduler is gone.
        """
        while fitting := self._fitting(asked, client):
            if (chosen := self._placing.take(asked.family, fitting, _KNOWN_S)) is not None:
                return chosen
            if (why := self._hopeless(asked, client)) is not None:
                raise why
        return None

    def _fitting(self, asked: _Asked, client: Client) -> dict[str, HostFacts]:
        """The workers that could make it; none, and why."""
        hosts = self._workers(asked, client)
        if not any(version_token() in facts.offers for facts in hosts.values()):
            raise other_versions(list(hosts.values()))
        needs = self._needs
        fitting = {worker: facts for worker, facts in hosts.items()
                   if fits(needs, facts) and worker not in asked.tried}  # fmt: skip
        if not fitting:
            why = nobody(needs, list(hosts.values()))
            asked.why = why.what if why is not None else asked.why
        return fitting

    @property
    def _needs(self) -> dict[str, float]:
        return {BUILD: 1, **needs_of_all(self._loaded.config.executor.labels)}

    def _workers(self, asked: _Asked, client: Client) -> dict[str, HostFacts]:
        """Those there are, once there is one."""
        deadline, said = Deadline("the first worker", ALONE_S), False
        while not (found := self._look(client)):
            if asked.wanted.stopped():
                raise _stopped(asked)
            if client.status != "running":
                raise gone(self._address.url)
            if deadline.left_s <= 0:
                raise no_workers(self._address.url)
            if not said:
                self._listener.say(f"{self._address.url} has no worker: waiting for one")
                said = True
            time.sleep(_LOOK_S)
        return found

    def _look(self, client: Client) -> dict[str, HostFacts]:
        if time.monotonic() - self._looked < _KNOWN_S and self._hosts:
            return self._hosts
        asked = time.monotonic()
        found = workers_of(client)
        if found is not None or client.status == "running":
            self._silence.note(asked, answered=found is not None)
        with self._lock:
            # Who does not answer has said of none that it is gone.
            self._hosts = self._hosts if found is None else found
            self._looked = time.monotonic()
            return self._hosts

    def _outcome(self, asked: _Asked, client: Client, worker: str) -> BuildOutcome | None:
        """What came of it where it was sent; None where that worker is gone.

        Raises:
            InfrastructureError: Nobody wants it any more, or the scheduler is gone; or it
                killed whoever had begun it.
        """
        future: Future[BuildOutcome] = client.submit(
            self._compile,
            # Dask would look through a value for names of its tasks.
            pickle.dumps(asked.parcel),
            key=f"{self._run}-build-{asked.number}-{secrets.token_hex(3)}",
            pure=False,
            resources=self._needs,
            # No other, once that is gone: see Cluster.
            workers=[worker],
        )
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        waiting, told = Deadline("its beginning", _BEGUN_S), False
        before = len(self._attempts.of(asked.number))
        while not ended.wait(_LOOK_S):
            told = told or (waiting.passed and self._tell_waiting(asked, worker, before))
            why = self._hopeless(asked, client)
            if why is not None:
                self._give_up(client, future)
                raise why
            there = self._look(client)
            self._silence.refuse()
            if worker not in there and not ended.is_set():
                self._give_up(client, future)
                return None
        if future.status == "finished":
            outcome: BuildOutcome = future.result()
            return outcome
        if future.cancelled():
            raise gone(self._address.url)
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise self._killing(asked)
        if isinstance(error, Exception):
            raise as_lab_error(error)
        raise gone(self._address.url)

    def _tell_waiting(self, asked: _Asked, worker: str, before: int) -> bool:
        """Tell that a build has not begun since there were so many attempts; False if it has."""
        if len(self._attempts.of(asked.number)) > before:
            return False
        host = self._hosts[worker].name if worker in self._hosts else worker
        self._listener.say(f"{asked.name}: waits for {host}, which builds for others")
        return True

    def _hopeless(self, asked: _Asked, client: Client) -> LabError | None:
        """Why nobody is to wait for it any more."""
        if asked.wanted.stopped():
            return _stopped(asked)
        if client.status != "running":
            return gone(self._address.url)
        return None

    def _refuse_killing(self, asked: _Asked) -> None:
        """Raise InfrastructureError where it was begun by so many that are gone."""
        lost = [one for one in self._attempts.of(asked.number) if not one.why]
        if len(lost) >= MOST:
            raise self._killing(asked)

    def _killing(self, asked: _Asked) -> InfrastructureError:
        del self._attempts.of(asked.number)[MOST + len(asked.tried) :]
        said = self._attempts.verdict(asked.number, f"the build of {asked.name}")
        return InfrastructureError(said.what, detail=said.detail, hint=said.hint)

    def _give_up(self, client: Client, future: Future[BuildOutcome]) -> None:
        # Beside: a scheduler that is gone would be waited for.
        def cancel() -> None:
            with suppress(Exception):
                client.cancel([future], force=True)

        threading.Thread(target=cancel, daemon=True).start()

    def _kept(self, asked: _Asked, built: Built) -> Build:
        found = keep_build(asked.wanted.job, built.made, built.worker)
        took = f"built {found.release} in {found.duration_s:.0f} s by"
        if found.cached:
            took = f"{found.release} was there on"
        came = built.made.came / (1 << 20)
        self._listener.say(f"{asked.name}: {took} {built.host}, {came:.0f} MiB came")
        for option in found.gone:
            self._listener.say(f"{asked.name}: this kernel has {option}")
        return found

    def _not_built(self, asked: _Asked, failed: NotBuilt) -> LabError:
        """Its error as it would be had it been built here, with the log on this host's disk."""
        error, theirs = failed.error, failed.place
        if theirs is None:
            return error
        ours = SENT.place(self._cache, f"log-{asked.parcel.key}") / _LOG
        try:
            ours.parent.mkdir(parents=True, exist_ok=True)
            write_whole(ours, failed.log)
        except OSError as trouble:
            self._listener.say(f"{asked.name}: its log cannot be kept: {trouble.strerror}")
            return error
        self._listener.say(f"{asked.name}: {failed.host} could not build it, its log is {ours}")
        where = ours if error.where == theirs else error.where
        hint = (error.hint or "").replace(str(theirs), str(ours))
        return type(error)(error.what, where=where, hint=hint or None, detail=error.detail)

    @property
    def _cache(self) -> Path:
        return self._loaded.path(self._loaded.config.paths.cache)

    def _hear(self, event: tuple[float, Any]) -> None:
        # Whatever goes wrong with telling: nothing more would be heard.
        with suppress(Exception):
            word = unpacked(event[1])
            if isinstance(word, Told):
                self._listener.say(f"{word.host}: {word.line}")
            elif (asked := self._asked.get(word.number)) is None:
                return
            elif isinstance(word, Begun):
                self._has_begun(asked, word)
            elif isinstance(word, Compiled):
                self._listener.step(asked.name, word.step)
            elif isinstance(word, Said):
                self._attempts.hear(word)

    def _has_begun(self, asked: _Asked, word: Begun) -> None:
        before = self._attempts.begin(word)
        job = asked.wanted.job
        if before is not None and not before.why:
            self._listener.say(f"{asked.name}: {before}; again on {word.host}")
        else:
            said = f"building {asked.parcel.key} ({job.tree.identity}) on {word.host}"
            self._listener.say(f"{asked.name}: {said}")


def _end(client: Client, run: str) -> None:
    with suppress(Exception):
        client.run(end_jobs, run, on_error="ignore")


def _stopped(asked: _Asked) -> InfrastructureError:
    return InfrastructureError(f"the build of {asked.name} was stopped")
