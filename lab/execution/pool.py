# SPDX-License-Identifier: GPL-2.0-only
"""Jobs side by side in processes: each one's guests die with its process."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Lock
from types import FrameType, TracebackType
from typing import cast

from lab.errors import InfrastructureError
from lab.execution.executor import ExecutorRequest, OnResult, OnWord
from lab.execution.job import Job
from lab.execution.run_job import JobInterrupted, run_job
from lab.model.records import JobRecord, TestResult
from lab.process.deadline import Deadline
from lab.process.interrupt import Terminated, put_off
from lab.unforeseen import as_lab_error

#: Seconds a job may take to end its guests and say what it has: SIGTERM ends the lab in ten.
_ENDING_S = 8.0
#: And what was told to end, at most, whatever holds it: sooner, one that has ended would break
#: the pool under one that still keeps what it has.
_OVER_S = 120.0
#: And one that has nothing to do, to be gone.
_LEAVING_S = 5.0

#: A result, what is to be said at once, or the number of a process that has begun.
_Word = TestResult | str | int


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
        self._words, self._mouth = spawn.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            width, mp_context=spawn, initializer=_begin, initargs=(self._mouth, spawn.Lock())
        )
        self._numbers: dict[Future[JobRecord], int] = {}
        #: Jobs that ended, and None for whoever woke who waits for one.
        self._ended: queue.SimpleQueue[Future[JobRecord] | None] = queue.SimpleQueue()
        #: No job is submitted while the others are told to end, nor after.
        self._ending = threading.Lock()
        self._over = False
        #: The processes that know what SIGTERM is to them: another would die of it.
        self._ready: set[int] = set()
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
        processes = self._processes()
        if kind is not None:
            # A worker may be in the middle of a boot: do not wait for it.
            self._signal(signal.SIGKILL)
        # Whose lock the thread of a pool that broke holds while it waits (Python 3.13).
        shutdown = threading.Thread(target=self._pool.shutdown, kwargs={"cancel_futures": True})
        shutdown.daemon = True
        shutdown.start()
        _see_off(processes)
        shutdown.join(_LEAVING_S)
        # Then nobody can say any more, and the ear hears the end.
        self._mouth.close()
        self._ear.join()
        self._words.close()

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
            self._signal(signal.SIGTERM, self._ready)
        return running

    def _processes(self) -> list[BaseProcess]:
        return list((self._pool._processes or {}).values())

    def _signal(self, number: signal.Signals, only: Collection[int] | None = None) -> None:
        for process in self._processes():
            if process.pid is None or (only is not None and process.pid not in only):
                continue
            if process.is_alive():
                # The pool may have waited for one that had just ended.
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def _hear(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                word: _Word = self._words.recv()
                # Whatever goes wrong with telling: a worker that is not heard would wait.
                with suppress(Exception):
                    self._tell(word)

    def _tell(self, word: _Word) -> None:
        if isinstance(word, int):
            self._has_begun(word)
        elif isinstance(word, str):
            self._on_word(word)
        else:
            self._on_result(word)

    def _has_begun(self, pid: int) -> None:
        with self._ending:
            self._ready.add(pid)
            if self._over:
                self._signal(signal.SIGTERM, {pid})


def pool(asked: ExecutorRequest) -> Pool | None:
    """For more than one job at once."""
    return Pool(asked.width, asked.on_result, asked.on_word) if asked.width > 1 else None


def _see_off(processes: list[BaseProcess]) -> None:
    """Wait until they have ended, and end those that do not.

    Python ends those of a pool that broke by a SIGTERM, which they take for ours, and would
    wait for them for ever.
    """
    for process in _alive_after(_LEAVING_S, processes):
        with suppress(ProcessLookupError):
            os.kill(cast(int, process.pid), signal.SIGKILL)
    _alive_after(_LEAVING_S, processes)


def _alive_after(most_s: float, processes: list[BaseProcess]) -> list[BaseProcess]:
    """Those that have not ended by then; not by join(): the pool's own thread waits for them."""
    deadline = Deadline("leaving", most_s)
    left = {process.sentinel: process for process in processes}
    while left and (ended := connection.wait(left, deadline.left_s)):
        left = {sentinel: one for sentinel, one in left.items() if sentinel not in ended}
    return list(left.values())


def _killed() -> InfrastructureError:
    return InfrastructureError(
        "a process that ran a guest was killed",
        hint="fewer guests at once (guests in lab.toml), if memory ran out",
    )


class _Worker:
    """The process that this module is in, if it is one of a pool's."""

    mouth: Connection
    lock: Lock
    telling = False
    #: It was told to end: each job that begins ends at once.
    over = False
    running = False

    def tell(self, word: _Word) -> None:
        if threading.current_thread() is not threading.main_thread():
            self._say(word)  # no signal comes into another thread
            return
        self.telling = True
        try:
            self._say(word)
        finally:
            self.telling = False

    def _say(self, word: _Word) -> None:
        with self.lock:
            self.mouth.send(word)

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
        # Half of a message would be the last that anybody hears.
        if put_off(frame, lambda later: self.end(number, later), busy=self.telling):
            return
        if self.running:
            # Once: the pool says it again with each result, and that would come into the
            # end of the guests.  Between jobs, or while a record is made, it would break
            # the pool, or lose what was found.
            self.running = False
            raise Terminated(number)


_WORKER = _Worker()


def _begin(mouth: Connection, lock: Lock) -> None:
    """Make this worker die with the lab, kill -9 included; a Ctrl-C is the lab's."""
    _WORKER.mouth, _WORKER.lock = mouth, lock
    threading.excepthook = _thread_failed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _WORKER.end)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_after, args=(parent.sentinel,), daemon=True).start()
    _WORKER.tell(os.getpid())


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if isinstance(failed.exc_value, Exception):
        _WORKER.tell(f"lab: {as_lab_error(failed.exc_value)}")


def _die_after(sentinel: int) -> None:
    left_s = _OVER_S
    while left_s > 0 and not connection.wait([sentinel], 1.0):
        # Python may have said it, of a pool that broke, and wait for this process.
        left_s -= _WORKER.over
    # Its guests go with it: nothing holds their lifelines then.
    os._exit(1)


def _work(job: Job) -> JobRecord:
    return _WORKER.work(job)
