# SPDX-License-Identifier: GPL-2.0-only
"""An executor as a cluster's would be: jobs go away as bytes, and records come back as such."""

from __future__ import annotations

import pickle
import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from lab.execution.executor import ExecutorRequest, OnResult, OnWord
from lab.execution.job import Job
from lab.execution.run_job import run_job
from lab.model.records import JobRecord


class Post:
    """Jobs in envelopes; whoever asks for a record has the next one opened and done.

    Attributes:
        width: More than this host carries: it is others that run them.
    """

    width = 7

    def __init__(self, on_result: OnResult, on_word: OnWord) -> None:
        self._on_result = on_result
        self._on_word = on_word
        self._sent: list[tuple[int, bytes]] = []
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
        self._sent.clear()

    @property
    def busy(self) -> int:
        return len(self._sent)

    def submit(self, number: int, job: Job) -> None:
        if not self._over:
            self._sent.append((number, pickle.dumps(job)))
            self._on_word(f"{job.variant}: sent, {len(self._sent)} on the way")

    def next_record(self) -> tuple[int, JobRecord] | None:
        if not self._sent:
            self._woken.get()
            return None
        number, sent = self._sent.pop()
        record = pickle.dumps(run_job(pickle.loads(sent), self._on_result, self._on_word))
        return number, pickle.loads(record)

    def wake(self) -> None:
        self._woken.put(None)

    def end(self) -> None:
        self._over = True
        self._sent.clear()

    def stop(self) -> Iterator[tuple[int, JobRecord]]:
        self.end()
        yield from ()


def post(asked: ExecutorRequest) -> Post | None:
    """For runs of more than one guest on the project's word: ``guests = 7``."""
    several = asked.loaded.config.guests == Post.width
    return Post(asked.on_result, asked.on_word) if several else None
