# SPDX-License-Identifier: GPL-2.0-only
"""Workers at benches: all of them busy until nothing is left, on however many CPUs."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import pytest

from lab.errors import InfrastructureError
from lab.execution.mutant_crew import Crew

#: Seconds that 30 mutants of the patch of 2015 took on this project's machine, one after the
#: other: most are noticed by the first test, those that survive have all of them run.
COSTS = [9.0] * 24 + [3.0] * 2 + [45.0] * 4


class Clock:
    """Seconds that pass when all who work wait for them: a machine of so many CPUs."""

    def __init__(self, workers: int) -> None:
        self._turn = threading.Condition()
        self._workers = workers
        self._sleeping: list[float] = []
        self.now = 0.0

    def spend(self, seconds: float) -> None:
        """Have one CPU be busy so long."""
        with self._turn:
            until = self.now + seconds
            heapq.heappush(self._sleeping, until)
            self._go_on()
            while self.now < until:
                self._turn.wait()

    def leave(self) -> None:
        """A worker has nothing left to do."""
        with self._turn:
            self._workers -= 1
            self._go_on()

    def _go_on(self) -> None:
        while self._sleeping and len(self._sleeping) >= self._workers:
            self.now = heapq.heappop(self._sleeping)
            awake = 1
            while self._sleeping and self._sleeping[0] <= self.now:
                heapq.heappop(self._sleeping)
                awake += 1
            self._turn.notify_all()
            if awake:
                return


def seconds(costs: list[float], width: int, opening: float = 0.0) -> float:
    """What a crew of so many takes for tasks of these costs."""
    clock = Clock(min(width, len(costs)))
    done: SimpleQueue[None] = SimpleQueue()

    @contextmanager
    def bench(number: int) -> Iterator[int]:
        clock.spend(opening)
        yield number
        clock.leave()

    def work(bench: int, cost: float) -> float:
        clock.spend(cost)
        return cost

    with Crew(costs, width, bench, work, lambda: done.put(None)) as crew:
        assert sorted(crew.results(done.get)) == sorted(costs)
    return clock.now


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
def test_no_cpu_waits_while_something_is_left(width: int) -> None:
    # What list scheduling promises (Graham, 1969): the sum shared, and the last task.
    assert seconds(COSTS, width) <= sum(COSTS) / width + max(COSTS)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_twice_the_cpus_take_half_the_time(width: int) -> None:
    costs = COSTS * 4
    assert seconds(costs, 1) / seconds(costs, width) > 0.85 * width


def test_a_bench_that_cannot_be_opened_costs_none_but_itself() -> None:
    done: SimpleQueue[None] = SimpleQueue()

    @contextmanager
    def bench(number: int) -> Iterator[int]:
        if number == 1:
            raise InfrastructureError("no space")
        yield number

    with Crew(
        [1, 2, 3], 2, bench, lambda bench, task: (bench, task), lambda: done.put(None)
    ) as crew:
        assert sorted(crew.results(done.get)) == [(2, 1), (2, 2), (2, 3)]


def test_where_no_bench_opens_that_is_the_error() -> None:
    done: SimpleQueue[None] = SimpleQueue()

    @contextmanager
    def bench(number: int) -> Iterator[int]:
        raise InfrastructureError("no space")
        yield number

    crew = Crew([1, 2], 2, bench, lambda bench, task: task, lambda: done.put(None))
    with pytest.raises(InfrastructureError, match="no space"), crew:
        list(crew.results(done.get))


def test_who_leaves_early_has_no_other_begin() -> None:
    done: SimpleQueue[None] = SimpleQueue()
    begun: list[int] = []
    may_end = threading.Event()

    @contextmanager
    def bench(number: int) -> Iterator[int]:
        yield number

    def work(bench: int, task: int) -> int:
        begun.append(task)
        may_end.wait(30)
        return task

    crew = Crew([1, 2, 3], 1, bench, work, lambda: done.put(None))
    with pytest.raises(KeyboardInterrupt), crew:
        raise KeyboardInterrupt
    may_end.set()
    while crew.busy:
        done.get()
    assert begun in ([], [1])
