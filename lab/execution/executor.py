# SPDX-License-Identifier: GPL-2.0-only
"""What runs jobs: they go in, and their records come out as they end.

The executors there are have a line each, and nothing else names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from lab.execution.board import Board
from lab.execution.job import Job
from lab.model.maker import made_by
from lab.model.records import JobRecord, TestResult

if TYPE_CHECKING:
    from lab.config import LoadedConfig

#: Told each result, and what is to be said at once, as they come; from any thread.
OnResult = Callable[[TestResult], None]
OnWord = Callable[[str], None]


class Executor(Protocol):
    """Runs jobs, in a ``with`` block; leaving it early ends them.

    Attributes:
        width: How many run side by side.
        busy: Of how many the record is still to come.
    """

    @property
    def width(self) -> int: ...

    @property
    def busy(self) -> int: ...

    def submit(self, number: int, job: Job) -> None:
        """Have a job run, unless end() came; ``number`` is what its record comes with.

        Raises:
            InfrastructureError: What runs jobs is gone.
        """

    def next_record(self) -> tuple[int, JobRecord] | None:
        """Wait for a job's end; its record, with its number.

        None when wake() came first, and for a job that end() came before.

        Raises:
            InfrastructureError: What runs jobs is gone.
            KeyboardInterrupt, Terminated: A signal ended the job; stop() has its record.
        """

    def wake(self) -> None:
        """Let who waits for the next record see to something else; from any thread."""

    def end(self) -> None:
        """Have no other job begin, and those that run give what they have."""

    def stop(self) -> Iterator[tuple[int, JobRecord]]:
        """End all jobs now; gives the records of those that had begun, as far as they are."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True)
class ExecutorRequest:
    """What is asked of an executor.

    Attributes:
        width: How many jobs this host carries side by side, of those there are.
        on_result, on_word: Are told what run_job() tells, as it comes.
        board: Is told what other hosts are at.
    """

    loaded: LoadedConfig
    width: int
    on_result: OnResult
    on_word: OnWord
    board: Board = field(default_factory=Board)


#: ``MODULE:NAME`` of what makes an executor of a request; None where it is not the one for it.
EXECUTORS: dict[str, str] = {
    "dask": "lab.execution.cluster.asked:cluster",
    "processes": "lab.execution.pool:pool",
    "in-process": "lab.execution.in_process:in_process",
}


def executor_for(asked: ExecutorRequest) -> Executor:
    """The first of EXECUTORS that takes the request; the last takes any."""
    makers: Iterator[Callable[[ExecutorRequest], Executor | None]] = map(
        made_by, EXECUTORS.values()
    )
    return next(made for make in makers if (made := make(asked)) is not None)
