# SPDX-License-Identifier: GPL-2.0-only
"""Recording a run beside it: the database is opened while the first guest runs its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.model.records import JobRecord, RunRecord, now
from lab.model.url import Url
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.results.store import Store


#: Seconds a guest takes to answer: SQLAlchemy's import, half a second of it, would hold up
#: the lab's own, which that waits for.
_START_S = 1.5


class Recorder:
    """Records one run, in a ``with`` block.

    Importing SQLAlchemy and making the tables cost half a second that nobody
    has to wait for.  A database that cannot be opened or written stops no run:
    what is missing there is written with the next job, and if that fails to the
    end, the record that ``finish`` gives says so.

    Args:
        begun: The run is in the database already, with its jobs so far.
    """

    def __init__(self, database: Path | Url | str, run: RunRecord, *, begun: bool = False) -> None:
        self._database = database
        self._begun = begun
        self._run = run
        # A run that was killed has jobs already.
        self._jobs: list[JobRecord] = list(run.jobs)
        self._pending: list[JobRecord] = []
        self._troubles: list[str] = []
        self._stack = ExitStack()
        self._pool = ThreadPoolExecutor(1)
        self._wanted = Event()
        self._store: Future[Store] = self._pool.submit(self._begin)

    def add_job(self, job: JobRecord) -> None:
        """Record a job that ended; one that cannot be recorded now is kept for later."""
        self._jobs.append(job)
        self._pending.append(job)
        self._try(self._write)

    @property
    def is_empty(self) -> bool:
        """Whether no job has ended."""
        return not self._jobs

    def forget(self) -> None:
        """Leave no run of which no job ended; one that cannot be removed stays, unfinished."""
        self._try(lambda: self._opened().forget(self._run.id))

    def lasted(self) -> Mapping[tuple[str, str, str], float]:
        """See Store; nothing where the database cannot say, as is told when a job is recorded."""
        with suppress(Exception):
            return self._opened().lasted()
        return {}

    def kept(self, write: Callable[[], object]) -> None:
        """Do ``write``, a file of the run's; a disk that is full is no end of the run."""
        if error := self._try(write):
            self._troubles.append(f"not all of the run is on disk: {_said(error)}")

    def finish(self) -> RunRecord:
        """Record that all jobs have ended; returns the run, with what went wrong with it."""
        if error := self._try(self._end):
            self._troubles.append(
                f"not recorded in the database: {_said(error)}; "
                f"`lab runs --recover` records it from its folder when that is mended"
            )
        return self.with_troubles(replace(self._run, finished=now(), jobs=tuple(self._jobs)))

    def so_far(self, left: Sequence[JobRecord] = ()) -> RunRecord:
        """The run, unfinished, with what went wrong with recording it; ``left`` is not kept."""
        return self.with_troubles(replace(self._run, jobs=(*self._jobs, *left)))

    def with_troubles(self, run: RunRecord) -> RunRecord:
        """The run, with all that went wrong with recording it so far."""
        # The same trouble for each of a hundred files is one trouble.
        return replace(run, troubles=tuple(dict.fromkeys(self._troubles)))

    def _try(self, do: Callable[[], object]) -> LabError | None:
        try:
            do()
        except Exception as error:
            return as_lab_error(error)
        return None

    def _begin(self) -> Store:
        self._wanted.wait(_START_S)
        # SQLAlchemy: in this thread, while builds and guests have the others.
        from lab.results.store import Store

        store = self._stack.enter_context(Store.open(self._database))
        if self._begun:
            store.forget_interrupted(self._run.id)
        else:
            store.begin(self._run)
        return store

    def _opened(self) -> Store:
        self._wanted.set()
        try:
            return self._store.result()
        except Exception:
            # Locked or unreachable a while ago is not for ever.
            self._store = self._pool.submit(self._begin)
            return self._store.result()

    def _write(self) -> Store:
        store = self._opened()
        while self._pending:
            store.add_job(self._run.id, self._pending[0])
            self._pending.pop(0)
        return store

    def _end(self) -> None:
        self._write().finish(self._run.id)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A run that is interrupted at once is still recorded, as unfinished.
        self._wanted.set()
        self._pool.shutdown(wait=True)
        self._stack.close()


def _said(error: LabError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
