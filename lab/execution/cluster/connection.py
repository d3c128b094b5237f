# SPDX-License-Identifier: GPL-2.0-only
"""A scheduler, and the lab's workers that it has."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace

from distributed import Client, LocalCluster

from lab.errors import InfrastructureError
from lab.execution.cluster.address import Address
from lab.execution.cluster.host import HostFacts
from lab.execution.cluster.reach import refused_for_good
from lab.execution.cluster.serving import FACTS, PATIENCE_S

#: Seconds a scheduler has to answer.
_CONNECT_S = 30
#: And a cluster without any worker to have one again: Slurm and Kubernetes take their time.
ALONE_S = 120.0
#: And to answer at all, once it has: one that is stopped, or whose host is, closes no connection.
MUTE_S = 120.0
#: And to take leave of a scheduler, which may be gone.
LEAVING_S = 2.0


def workers_of(client: Client) -> dict[str, HostFacts] | None:
    """The lab's workers, by address, as they are now; None where nobody answers.

    To be asked for without a lock that is taken where words are heard: these come by the thread
    that the answer comes by.
    """
    try:
        # Asked itself: what scheduler_info() gives may be of another question meanwhile, the
        # client's own, which is of no worker.
        identity = client.scheduler.identity
        told = client.sync(identity, n_workers=-1, callback_timeout=_CONNECT_S)["workers"]
    except (OSError, TimeoutError, AttributeError, CancelledError):
        return None
    found: dict[str, HostFacts] = {}
    for worker, row in told.items():
        facts = HostFacts.of_plain(row.get(FACTS))
        if facts is not None:
            changing = (row.get("metrics") or {}).get(FACTS) or {}
            found[worker] = replace(facts, free=changing.get("free", facts.free))
    return found


def connect(where: Address | LocalCluster, say: Callable[[str], object] = lambda _: None) -> Client:
    """A connection to a scheduler.

    Args:
        say: Told what is waited for, by another thread, where that takes a while.

    Raises:
        InfrastructureError: None answers there, or one that does not take this host.
    """
    silence_dask()
    named = isinstance(where, Address)
    # It would be tried for half a minute, and the error say that time ran out.
    if named and (why := refused_for_good(where)) is not None:
        raise why
    url, security = (where.url, where.security()) if named else (where, None)
    words = f"waits for a scheduler at {url}, {_CONNECT_S:g} s at most"
    waiting = threading.Timer(PATIENCE_S, say, (words,))
    waiting.daemon = True
    if named:
        waiting.start()
    try:
        return _Client(
            url,
            security=security,
            timeout=_CONNECT_S,
            set_as_default=False,
            name="lab",
        )
    except (OSError, TimeoutError) as error:
        raise InfrastructureError(
            f"no scheduler answers at {url}: {error}",
            hint=f"lab cluster scheduler {url}, on its host; then lab worker on each",
        ) from error
    finally:
        waiting.cancel()


class _Client(Client):  # type: ignore[misc]
    """One that takes no leave of whoever never answered: it took a minute, after Ctrl-C too."""

    def __del__(self) -> None:
        with suppress(Exception):
            if self.status != "closed":
                self.close(timeout=LEAVING_S)


def silence_dask() -> None:
    """Keep Dask from stderr: what it says there the lab says in its own words."""
    # The client's has a level of its own.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class Silence:
    """How long a scheduler that was there has not answered, told as it begins."""

    def __init__(self, address: str, say: Callable[[str], object]) -> None:
        self._address, self._say = address, say
        self._since: float | None = None
        self._lock = threading.Lock()

    def note(self, asked: float, *, answered: bool) -> None:
        """Note what came of a question.

        Args:
            asked: When it was asked, by ``time.monotonic()``.
        """
        with self._lock:
            begins = not answered and self._since is None
            if answered:
                self._since = None
            elif begins:
                self._since = asked
        if begins:
            self._say(f"the scheduler of {self._address} does not answer: waiting for it")

    def refuse(self) -> None:
        """Raise InfrastructureError where it lasts too long."""
        with self._lock:
            since = self._since
        if since is not None and time.monotonic() - since > MUTE_S:
            raise InfrastructureError(
                f"the scheduler of {self._address} has not answered for {MUTE_S:g} s",
                hint="start it and its workers again; the same command goes on from here",
            )


def gone(address: str) -> InfrastructureError:
    """What is said where a scheduler is no more."""
    return InfrastructureError(
        f"the scheduler of {address} is gone",
        hint="start it and its workers again; the same command goes on from here",
    )


def no_workers(address: str) -> InfrastructureError:
    """What is said of a scheduler that nobody works for."""
    return InfrastructureError(
        f"{address} has no worker",
        hint="lab worker ADDRESS, on each host; the same command goes on from here",
    )
