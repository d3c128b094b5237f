# SPDX-License-Identifier: GPL-2.0-only
"""Jobs side by side in processes: each one's guests die with its process."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.queues import SimpleQueue
from types import FrameType, TracebackType

from lab.errors import InfrastructureError
from lab.execution.executor import ExecutorRequest, OnResult, OnWord
from lab.execution.job import Job
from lab.execution.run_job import JobInterrupted, run_job
from lab.model.records import JobRecord, TestResult
from lab.process.interrupt import Terminated, importing
from lab.unforeseen import as_lab_error

#: Seconds a job may take to end its guests and say what it has: SIGTERM ends the lab in ten.
_ENDING_S = 8.0
_KILLED_S = 1.0

#: A result, or what is to be said at once; None is the end.
_Word = TestResult | str | None


class Pool:
    """Processes that run jobs, in a ``with`` block; leaving it early kills them.

    Args:
        on_result, on_word: Are told what run_job() tells, as it comes, in another thread.
    """

    def __init__(
        self,
        width: int,
        on_result: OnResult,
        on_word: OnWord,
    ) -> None:
        self.width = width
        spawn = multiprocessing.get_context("spawn")
        self._on_result = on_result
        self._on_word = on_word
        self._words: SimpleQueue[_Word] = spawn.SimpleQueue()
        self._pool = ProcessPoolExecutor(
            width, mp_context=spawn, initializer=_begin, initargs=(self._words,)
        )
        self._numbers: dict[Future[JobRecord], int] = {}
        #: Jobs that ended, and None for whoever woke who waits for one.
        self._ended: queue.SimpleQueue[Future[JobRecord] | None] = queue.SimpleQueue()
        #: No job is submitted while the others are told to end, nor after.
        self._ending = threading.Lock()
        self._over = False
        self._ear = threading.Thread(target=self._hear, daemon=True)

    def __enter__(self) -> Pool:
        self._ear.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            # A worker may be in the middle of a boot: do not wait for it.
            self._signal(signal.SIGKILL)
        self._pool.shutdown(cancel_futures=True)
        self._words.put(None)
        # What a worker was saying when it was killed has no end.
        self._ear.join(None if kind is None else _KILLED_S)

    def submit(self, number: int, job: Job) -> None:
        """Have a job run, unless end() came; ``number`` is what its record comes with.

        Raises:
            InfrastructureError: A process was killed.
        """
        with self._ending:
            if self._over:
                return
            try:
                future = self._pool.submit(_work, job)
            except BrokenProcessPool as error:
                raise _killed() from error
            self._numbers[future] = number
        future.add_done_callback(self._ended.put)

    @property
    def busy(self) -> int:
        """See Executor."""
        return len(self._numbers)

    def wake(self) -> None:
        """Let who waits for the next record see to something else; from any thread."""
        self._ended.put(None)

    def next_record(self) -> tuple[int, JobRecord] | None:
        """Wait for a job's end; its record, with its number.

        None when wake() came first, and for a job that end() came before.

        Raises:
            InfrastructureError: A process was killed.
        """
        done = self._ended.get()
        if done is None:
            return None
        if done.cancelled():
            del self._numbers[done]
            return None
        try:
            record = done.result()
        except BrokenProcessPool as error:
            raise _killed() from error
        return self._numbers.pop(done), record

    def stop(self) -> Iterator[tuple[int, JobRecord]]:
        """End all jobs now; gives the records of those that had begun, as far as they are."""
        running = self._end()
        done, late = wait(running, _ENDING_S)
        if late:
            self._signal(signal.SIGKILL)
        for future in done:
            if not future.cancelled() and future.exception() is None:
                yield self._numbers.pop(future), future.result()

    def end(self) -> None:
        """See Executor."""
        self._end()

    def _end(self) -> list[Future[JobRecord]]:
        with self._ending:
            self._over = True
            running = [future for future in list(self._numbers) if not future.cancel()]
        self._signal(signal.SIGTERM)
        return running

    def _signal(self, number: signal.Signals) -> None:
        for process in list((self._pool._processes or {}).values()):
            if process.pid is not None and process.is_alive():
                # The pool may have waited for one that had just ended.
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def _hear(self) -> None:
        # Whatever goes wrong with telling: a worker that is not heard would wait for ever.
        while (word := self._words.get()) is not None:
            with suppress(Exception):
                self._tell(word)

    def _tell(self, word: TestResult | str) -> None:
        if isinstance(word, str):
            self._on_word(word)
        else:
            self._on_result(word)


def pool(asked: ExecutorRequest) -> Pool | None:
    """For more than one job at once."""
    return Pool(asked.width, asked.on_result, asked.on_word) if asked.width > 1 else None


def _killed() -> InfrastructureError:
    return InfrastructureError(
        "a process that ran a guest was killed",
        hint="fewer guests at once (guests in lab.toml), if memory ran out",
    )


class _Worker:
    """The process that this module is in, if it is one of a pool's."""

    words: SimpleQueue[_Word]
    telling = False
    #: It was told to end: each job that begins ends at once.
    over = False
    running = False

    def tell(self, word: TestResult | str) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.words.put(word)  # no signal comes into another thread
            return
        self.telling = True
        try:
            self.words.put(word)
        finally:
            self.telling = False

    def work(self, job: Job) -> JobRecord:
        try:
            return run_job(job, self.tell, self.tell, self.interruptible)
        except JobInterrupted as stop:
            return stop.record

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Guests run: what was told before, or is told now, ends the job."""
        self.running = True
        try:
            if self.over:
                raise Terminated(signal.SIGTERM)
            yield
        finally:
            self.running = False

    def end(self, number: int, frame: FrameType | None) -> None:
        """A handler of SIGTERM: the job ends, and gives what it has."""
        self.over = True
        if self.telling or importing(frame):
            # Half of a message would be the last that anybody hears.
            signal.signal(signal.SIGALRM, lambda _, later: self.end(number, later))
            signal.setitimer(signal.ITIMER_REAL, 0.02)
        elif self.running:
            # Once: the pool says it again with each result, and that would come into the
            # end of the guests.  Between jobs, or while a record is made, it would break
            # the pool, or lose what was found.
            self.running = False
            raise Terminated(number)


_WORKER = _Worker()


def _begin(words: SimpleQueue[_Word]) -> None:
    """Make this worker die with the lab, kill -9 included; a Ctrl-C is the lab's."""
    _WORKER.words = words
    threading.excepthook = _thread_failed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _WORKER.end)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_after, args=(parent.sentinel,), daemon=True).start()


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if isinstance(failed.exc_value, Exception):
        _WORKER.words.put(f"lab: {as_lab_error(failed.exc_value)}")


def _die_after(sentinel: int) -> None:
    connection.wait([sentinel])
    # Its guests go with it: nothing holds their lifelines then.
    os._exit(1)


def _work(job: Job) -> JobRecord:
    return _WORKER.work(job)
