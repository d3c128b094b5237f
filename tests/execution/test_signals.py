# SPDX-License-Identifier: GPL-2.0-only
"""A signal may come anywhere in a job: each test has its result, or is said not to have run."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lab import execution
from lab.execution import pool
from lab.execution.job import Job
from lab.execution.run_job import JobInterrupted, run_job
from lab.guest.fake import FakeSpec, Script, Stage
from lab.model.records import JobRecord
from lab.process.interrupt import Terminated, held, may_interrupt, terminate
from tests.execution.conftest import EXT4, XFS, MakeJob

#: Where units go from the agenda to the results.
MODULES = {
    str(Path(execution.__file__).parent / f"{name}.py")
    for name in ("agenda", "findings", "group_run", "left_files", "run_job", "unit_run")
}
Line = tuple[str, int]


def _worker() -> pool._Worker:
    return pool._Worker()


@contextmanager
def traced(on_line: Callable[[FrameType], None]) -> Iterator[None]:
    """Have each line of MODULES told before it runs, as a signal's handler would be called."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in MODULES:
            return None
        if event == "line":
            on_line(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def lines_of(job: Job) -> Counter[Line]:
    """The lines that run where a signal may come, and how often each does."""
    seen: Counter[Line] = Counter()
    worker = _worker()

    def note(frame: FrameType) -> None:
        if worker.running:
            seen[frame.f_code.co_filename, frame.f_lineno] += 1

    with traced(note):
        run_job(job, interruptible=worker.interruptible)
    return seen


def stopped_at(job: Job, line: Line, time: int) -> JobRecord:
    """The record of a job to which SIGTERM came just before a line ran so many times."""
    worker = _worker()
    left = [time]

    def stop(frame: FrameType) -> None:
        if not worker.running or (frame.f_code.co_filename, frame.f_lineno) != line:
            return
        left[0] -= 1
        if left[0] == 0:
            worker.end(signal.SIGTERM, frame)

    with traced(stop):
        try:
            return run_job(job, interruptible=worker.interruptible)
        except JobInterrupted as stopped:
            return stopped.record


def rows(record: JobRecord) -> list[tuple[str, str]]:
    """What is said of each program, with the tests that did not run by their count alone."""
    told: list[tuple[str, str]] = []
    for result in record.results:
        program = f"{result.filesystem} {result.program}"
        told.append((program, result.test if result.ran else "-"))
    return sorted(told)


TESTS = {"p": ["a", "b"], "q": ["x"]}


def check(record: JobRecord) -> None:
    """Each program has the results that it printed itself, once, and tells what is missing."""
    told = rows(record)
    for filesystem in ("ext4-dax", "xfs-dax"):
        for program, tests in TESTS.items():
            found = [test for name, test in told if name == f"{filesystem} {program}"]
            ran = [test for test in found if test != "-"]
            assert ran == tests[: len(ran)], (filesystem, program, found)
            assert len(ran) == len(tests) or "-" in found, (filesystem, program, found)


@pytest.mark.slow
def test_no_result_is_lost_wherever_a_signal_comes(
    make_job: MakeJob, stage: Stage, tmp_path: Path
) -> None:
    """Nor taken for another program's: before each line that has to do with results."""
    scripts = {"p": Script(("a", "b"), {"b": "fail"}), "q": Script(("x",))}
    number = count()

    def job() -> Job:
        guest = FakeSpec(tmp_path / f"job-{next(number)}", stage)
        return make_job(scripts, EXT4, XFS, guest=guest)

    lines = lines_of(job())
    assert len({name for name, _ in lines}) == len(MODULES)
    for line, times in lines.items():
        for time in {1, times}:
            try:
                check(stopped_at(job(), line, time))
            except AssertionError as error:
                raise AssertionError(f"before line {line}, the {time}. time") from error


def comes(number: signal.Signals, *, waits: bool = False) -> Generator[str, None, None]:
    """Have a signal come in a block that holds it off; gives where that is got to."""
    with held():
        terminate(number, None)
        yield "held"
        if waits:
            with may_interrupt():
                yield "waited"
        yield "not interrupted"
    yield "ended"


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_held_off_comes_at_the_end_or_where_it_may(waits: bool) -> None:
    reached = comes(signal.SIGINT, waits=waits)
    assert next(reached) == "held"
    assert waits or next(reached) == "not interrupted"
    with pytest.raises(KeyboardInterrupt):
        next(reached)
    # And nobody hears of it twice.
    with held():
        pass
    with pytest.raises(Terminated):
        terminate(signal.SIGTERM, None)


def test_a_block_that_is_stuck_holds_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.process.interrupt._STUCK_S", 0.0)
    with pytest.raises(Terminated):
        next(comes(signal.SIGTERM))


def test_what_was_held_off_is_not_lost_to_an_error() -> None:
    reached = comes(signal.SIGTERM)
    next(reached)
    with pytest.raises(Terminated):
        reached.close()
