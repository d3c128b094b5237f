# SPDX-License-Identifier: GPL-2.0-only
"""Jobs one after the other, in the process and thread that wait for their records."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from lab.execution.executor import ExecutorRequest, OnResult, OnWord
from lab.execution.job import Job
from lab.execution.run_job import JobInterrupted, run_job
from lab.model.records import JobRecord


class InProcess:
    """Runs one job after the other, in the process and thread that wait for its record."""

    width = 1

    def __init__(self, on_result: OnResult, on_word: OnWord) -> None:
        self._on_result = on_result
        self._on_word = on_word
        self._jobs: deque[tuple[int, Job]] = deque()
        self._stopped: list[tuple[int, JobRecord]] = []
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._jobs.clear()

    @property
    def busy(self) -> int:
        """See Executor."""
        return len(self._jobs)

    def submit(self, number: int, job: Job) -> None:
        """See Executor."""
        if not self._over:
            self._jobs.append((number, job))

    def next_record(self) -> tuple[int, JobRecord] | None:
        """See Executor."""
        if not self._jobs:
            self._woken.get()
            return None
        number, job = self._jobs.popleft()
        self._on_word(f"{job.name}: booting")
        try:
            return number, run_job(job, self._on_result, self._on_word)
        except JobInterrupted as stop:
            self._stopped.append((number, stop.record))
            raise stop.cause from None

    def wake(self) -> None:
        """See Executor."""
        self._woken.put(None)

    def end(self) -> None:
        """See Executor; the job that runs ends by its own ``max_fail``."""
        self._over = True
        self._jobs.clear()

    def stop(self) -> Iterator[tuple[int, JobRecord]]:
        """See Executor."""
        self.end()
        yield from self._stopped


def in_process(asked: ExecutorRequest) -> InProcess:
    """For whatever is asked."""
    return InProcess(asked.on_result, asked.on_word)
