# SPDX-License-Identifier: GPL-2.0-only
"""A worker or a scheduler in this process, until a signal or the other's end."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Scheduler, Status, Worker

from lab.config import LoadedConfig, load
from lab.errors import InfrastructureError
from lab.execution.cluster.address import Address
from lab.execution.cluster.host import BUILD, GUEST, KVM, SLOT, HostFacts, offers_of_here
from lab.execution.cluster.needs import counted
from lab.execution.cluster.reach import refused_for_good
from lab.execution.cluster.work import Here, settle_here
from lab.process.cache_use import use_cache
from lab.process.temporary import temporary_folder

#: What a worker's facts go by, at the scheduler.
FACTS = "lab"
#: Of how many workers on its host one is, and its labels: for those that others start.
SHARE, LABELS = "LAB_SHARE", "LAB_LABELS"
#: Of two workers that a job kills the second ends it: it is the job, and no host.
KILLED = 1
_CONNECT_S = 30
#: And after which that is told.
PATIENCE_S = 2.0
_LEAVING_S = 2.0
_LOOK_S = 0.5
#: Dask samples its own threads a hundred times a second, and looks at its loop and its process
#: besides: of a CPU that guests are to have.  Nobody reads it here.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
_OVER = (Status.closed, Status.closing, Status.failed)


def dask_setup(worker: Worker) -> None:
    """Make a worker of Dask's the lab's: ``--preload lab.execution.cluster.serving``.

    Its ``lab.toml`` is the one that ``LAB_CONFIG`` names, or that of the lab.
    """
    _may_have_children()
    labels = tuple(filter(None, os.environ.get(LABELS, "").split(",")))
    adopt(worker, load(), labels, int(os.environ.get(SHARE, "1")))


def _may_have_children() -> None:
    """A worker of Dask's nanny (SSHCluster's are) is a daemon, from which Python lets no process
    start; ours end with the worker by themselves, and all that daemon means is that its children
    would be left.
    """
    process = multiprocessing.current_process()
    if process.daemon:
        process._config["daemon"] = False  # type: ignore[attr-defined]


def adopt(
    worker: Worker,
    loaded: LoadedConfig,
    labels: tuple[str, ...] = (),
    share: int = 1,
    say: Callable[[str], object] = lambda _: None,
) -> Here:
    """Have a worker that is not connected yet offer what this host does for the lab.

    Args:
        say: Told what begins on it, and what ended.
    """
    cache = loaded.path(loaded.config.paths.cache)
    use_cache(cache, loaded.toml)
    config = loaded.config
    offers = offers_of_here(
        cache, config.deadlines.accelerator, config.guests, config.builds, labels, share
    )
    mine = Here(cache, offers, loaded, say=say)
    settle_here(mine)
    worker.state.total_resources.update(offers)
    worker.state.available_resources.update(offers)
    worker.startup_information[FACTS] = lambda _: mine.facts.as_plain()
    worker.metrics[FACTS] = _changing(mine)
    return mine


def _changing(mine: Here) -> Callable[[Worker], dict[str, object]]:
    """What a heartbeat says anew of the host."""

    def told(_: Worker) -> dict[str, object]:
        facts = mine.facts
        return {"at": facts.at, "free": facts.free}

    return told


def serve_worker(
    address: Address,
    loaded: LoadedConfig,
    labels: tuple[str, ...],
    say: Callable[[str], None],
) -> None:
    """Be a worker until a signal comes, or the scheduler is gone.

    Raises:
        InfrastructureError: The scheduler is not there, went away, or refuses this worker.
    """
    _say_no_more_than_warnings()
    if (why := refused_for_good(address)) is not None:
        raise why
    # Dask's own place is beside others' in /tmp, and stays.
    with dask.config.set(QUIET), temporary_folder("worker") as folder:
        run_to_its_end(_work_for(address, loaded, labels, say, folder))


def run_to_its_end(main: Coroutine[Any, Any, None]) -> None:
    """Run it in a loop of its own, and what else is in that no longer.

    asyncio.run() waits until all has ended, and a task of Dask's may not heed that it is to:
    a worker whose scheduler was gone stayed for ever.

    Raises what it raises.
    """
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main)
    finally:
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=_LEAVING_S))
        # It would say of those that they were never awaited.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        loop.close()


def _say_no_more_than_warnings() -> None:
    """Of Dask's own words: a scheduler that ends is a traceback there, and a port of this host's
    alone is named as one that others reach.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    # It warns of each job that is ended from outside.
    logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)


async def _work_for(
    address: Address,
    loaded: LoadedConfig,
    labels: tuple[str, ...],
    say: Callable[[str], None],
    folder: Path,
) -> None:
    stop = _stopped_by_signals()
    with_threads = _threads(loaded)
    try:
        worker = Worker(
            address.url,
            nthreads=with_threads,
            memory_limit=0,
            security=address.security(),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            death_timeout=_CONNECT_S,
            host=_own_host(address),
            local_directory=str(folder),
        )
        mine = adopt(worker, loaded, labels, say=say)
        waiting = asyncio.get_running_loop().call_later(
            PATIENCE_S, say, f"waits for a scheduler at {address.url}, {_CONNECT_S:g} s at most"
        )
        try:
            if not await _is_taken(worker, stop):
                return
        finally:
            waiting.cancel()
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        why = _beneath(error)
        raise InfrastructureError(
            f"no scheduler at {address.url} takes this worker: {why or type(why).__name__}",
            hint=f"lab cluster scheduler {address.url}, on its host",
        ) from error
    say(f"offers {told_offers(mine.facts)} to {address.url}")
    # finished() waits for jobs, and these would go on for nobody.
    while not stop.is_set() and worker.status not in _OVER:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_S)
    # What Dask is then in the middle of is a traceback, and what it says of its folder is wrong.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    for run in {run for run, _ in mine.running}:
        mine.end(run)
    if not stop.is_set():
        raise InfrastructureError(
            f"the scheduler at {address.url} is gone",
            hint="start both again: what ran there runs again with the same command",
        )
    await asyncio.wait_for(worker.close(timeout=_LEAVING_S), 2 * _LEAVING_S)


async def _is_taken(worker: Worker, stop: asyncio.Event) -> bool:
    """Whether a worker comes up before a signal does: Dask tries for half a minute."""
    starting = asyncio.ensure_future(worker.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        # Its folder goes with it: Dask looks for that at the end, and says that it is not there.
        with suppress(TimeoutError):
            await asyncio.wait_for(worker.close(timeout=_LEAVING_S), 2 * _LEAVING_S)
        return False
    await starting
    return True


def _threads(loaded: LoadedConfig) -> int:
    """As many as jobs and builds may be at once; each of them only waits."""
    return max(2, loaded.config.guests or len(os.sched_getaffinity(0))) + 2


def _own_host(address: Address) -> str | None:
    """Where a worker listens: where only this host reaches it, if that is where all are."""
    return "127.0.0.1" if address.tls is None else None


def told_offers(facts: HostFacts) -> str:
    """What a host offers, for people."""
    offers = facts.offers
    guests = "no guests, as QEMU is not installed"
    if GUEST in offers:
        guests = f"{counted(offers[SLOT], 'guest')} at once"
    words = [guests]
    if KVM in offers:
        words.append("KVM")
    words.append(f"{counted(offers[BUILD], 'build')} at once" if BUILD in offers else "no builds")
    return ", ".join([*words, *(name for name in offers if name.startswith(("arch ", "label ")))])


def serve_scheduler(address: Address, say: Callable[[str], None]) -> None:
    """Be the scheduler until a signal comes.

    Raises:
        InfrastructureError: Something else has the port.
    """
    _say_no_more_than_warnings()
    # See serve_worker().
    with dask.config.set(QUIET), temporary_folder("scheduler") as folder:
        run_to_its_end(_schedule(address, say, folder))


async def _schedule(address: Address, say: Callable[[str], None], folder: Path) -> None:
    stop = _stopped_by_signals()
    parts = urlsplit(address.url)
    try:
        scheduler = await Scheduler(
            host=f"{parts.scheme}://{parts.hostname}",
            port=parts.port or 8786,
            security=address.security(),
            allowed_failures=KILLED,
            local_directory=str(folder),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )
    except (OSError, RuntimeError) as error:
        why = _beneath(error)
        raise InfrastructureError(
            f"cannot listen at {address.url}: {getattr(why, 'strerror', None) or why}",
            hint="another port, if that is taken; the host is this one's own name or address, "
            "or 0.0.0.0",
        ) from error
    say(f"listens at {scheduler.address}; on each host: lab worker {scheduler.address}")
    await stop.wait()
    # Of each job that is left it says an error: that it was tried too often.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    await scheduler.close()


def _beneath(error: BaseException) -> BaseException:
    """What is wrong: Dask says that it failed to start, of whatever made it."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
