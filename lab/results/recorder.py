# SPDX-License-Identifier: GPL-2.0-only
"""Recording a run beside it: the database is opened while the first guest boots."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from lab.results.record import JobRecord, RunRecord

if TYPE_CHECKING:
    from lab.results.store import Store


class Recorder:
    """Records one run, in a ``with`` block.

    Importing SQLAlchemy and making the tables cost half a second that nobody
    has to wait for.  What goes wrong there is raised by the next call.
    """

    def __init__(self, database: Path | str, run: RunRecord) -> None:
        self._run = run
        self._stack = ExitStack()
        self._pool = ThreadPoolExecutor(1)
        self._store: Future[Store] = self._pool.submit(self._begin, database)

    def add_job(self, job: JobRecord) -> None:
        """Record a job that ended; raises as ``Store.open`` and ``Store.add_job`` do."""
        self._store.result().add_job(self._run.id, job)

    def finish(self) -> RunRecord:
        """Record that all jobs have ended; returns the run as it is recorded."""
        store = self._store.result()
        store.finish(self._run.id)
        return store.load(self._run.id)

    def _begin(self, database: Path | str) -> Store:
        from lab.results.store import Store

        store = self._stack.enter_context(Store.open(database))
        store.begin(self._run)
        return store

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A run that is interrupted at once is still recorded, as unfinished.
        self._pool.shutdown(wait=True)
        self._stack.close()
