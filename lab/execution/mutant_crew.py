# SPDX-License-Identifier: GPL-2.0-only
"""Workers that take one task after the other, each at a bench of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from lab.execution.executor import Executor
from lab.execution.job import Job
from lab.model.records import JobRecord

Task = TypeVar("Task")
Bench = TypeVar("Bench")
Done = TypeVar("Done")


class Crew(Generic[Task, Bench, Done]):
    """Does tasks, ``width`` at once, in a ``with`` block; leaving it has no other begin.

    A worker that is done takes the next: no CPU waits for a task that takes longer than others.

    Args:
        bench: Opens the bench of a worker, from 1.
        work: Does a task at a bench.
        ended: Is called when one is done, from any thread.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        width: int,
        bench: Callable[[int], AbstractContextManager[Bench]],
        work: Callable[[Bench, Task], Done],
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._left = deque(tasks)
        self._bench, self._work, self._ended = bench, work, ended
        self._done: deque[Done] = deque()
        self._stop = threading.Event()
        #: Daemons: a guest or a lock that one waits for must not keep a lab that was told to end.
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(1, min(width, len(tasks)) + 1)
        ]
        self._troubles: list[Exception] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether nobody waits for what is done any more."""
        return self._stop.is_set()

    @property
    def busy(self) -> bool:
        """Whether any worker is at it."""
        return any(thread.is_alive() for thread in self._threads)

    def results(self, wait: Callable[[], object]) -> Iterator[Done]:
        """What was done, as it is done.

        Args:
            wait: Waits for ``ended``, or for something else that it sees to.

        Raises what opening the last of the benches raised, with tasks left that nobody does.
        """
        while True:
            busy = self.busy
            while self._done:
                yield self._done.popleft()
            if not busy:
                break
            wait()
        for thread in self._threads:
            thread.join()
        while self._done:
            yield self._done.popleft()
        if self._left and self._troubles:
            raise self._troubles[0]

    def _run(self, number: int) -> None:
        try:
            with self._bench(number) as bench:
                while not self._stop.is_set():
                    try:
                        task = self._left.popleft()
                    except IndexError:
                        break
                    self._done.append(self._work(bench, task))
                    self._ended()
        except Exception as error:
            # One bench less: the others do the rest.
            self._troubles.append(error)
        finally:
            threading.Timer(0.0, self._say_over, (threading.current_thread(),)).start()

    def _say_over(self, thread: threading.Thread) -> None:
        """From another thread: whoever waits looks whether this one still lives."""
        thread.join()
        self._ended()


class Guests:
    """Jobs of many threads, run by one executor, whose records one thread waits for."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: dict[int, Future[JobRecord]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def run(self, job: Job) -> JobRecord:
        """The record of a job; for any thread but the one that see() is of."""
        future: Future[JobRecord] = Future()
        with self._lock:
            self._count += 1
            number = self._count
            self._waiting[number] = future
        self._executor.submit(number, job)
        self._executor.wake()
        return future.result()

    def see(self) -> None:
        """Wait until a job has ended or somebody woke the executor, and hand its record over.

        Raises what waiting for a record raises.
        """
        try:
            ended = self._executor.next_record()
        except Exception as error:
            self._give_up(error)
            raise
        if ended is not None:
            self._waiting.pop(ended[0]).set_result(ended[1])

    def _give_up(self, error: Exception) -> None:
        for future in self._waiting.values():
            with suppress(Exception):
                future.set_exception(error)
