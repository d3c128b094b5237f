# SPDX-License-Identifier: GPL-2.0-only
"""A run: a plan's jobs, done and recorded one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lab as package
from lab.builder import Builder, Builds
from lab.errors import LabError
from lab.execution.artifacts import keep_programs
from lab.execution.board import Board
from lab.execution.executor import Executor, ExecutorRequest, executor_for
from lab.execution.job import Job
from lab.execution.jobs import Jobs
from lab.execution.prepare import Preparer
from lab.execution.programs import Programs
from lab.execution.resume import begun
from lab.execution.same_kernel import Bases
from lab.execution.to_begin import ToBegin
from lab.model import job_error
from lab.model.records import (
    DID_NOT_RUN,
    Host,
    JobRecord,
    RunRecord,
    TestResult,
    new_run_id,
    now,
)
from lab.model.unrun import ENOUGH, INTERRUPTED
from lab.model.variant import Variant
from lab.plan import Plan
from lab.process.interrupt import Interrupted, Terminated
from lab.process.removal import remove_tree
from lab.report import to_json
from lab.report.export.exporter import keep_exports
from lab.results import Recorder, RunFolder, write_json, write_text
from lab.results.job_file import job_document
from lab.store.registry import store_of

if TYPE_CHECKING:
    from lab.execution.line_counting import LineCounting


@dataclass(frozen=True)
class Runner:
    """Builds what a plan needs, runs its jobs, and records each as it ends.

    Attributes:
        killed: A run that was cut short, to go on with if it is of the same plan.
        max_fail: After how many results that are not as expected it ends; 0 is never.
        bases: For a variant the one of which it is not tested if its binary is the same.
        counting: Counts the lines of a series as its jobs run; None: nothing is counted.
        again: Whether a variant is tested though its binary is its base's.
    """

    builder: Builder
    killed: RunRecord | None = None
    max_fail: int = 0
    bases: Mapping[Variant, Variant] = field(default_factory=dict)
    counting: LineCounting | None = None
    again: bool = False

    @property
    def preparer(self) -> Preparer:
        """What makes its jobs."""
        if self.counting is None:
            return Preparer(self.builder)
        return Preparer(self.builder, self.counting.probes)

    def run(self, plan: Plan, command: Sequence[str]) -> RunRecord:
        """Run a plan.  A kill keeps the jobs that ended; the run then stays unfinished.

        Raises:
            Interrupted: From a signal; what had ended is kept.
        """
        loaded = self.builder.loaded
        for error in self.preparer.programs(_suites(plan)).failed.values():
            # Now, and not when the kernels are built.
            self.builder.listener.say(str(error))
        with self.builder.building(plan) as builds:
            started, done = begun(self.killed, plan, builds, self.preparer) or (
                _new_run(loaded.results, plan, command),
                {},
            )
            folder = RunFolder(loaded.results, started.id)
            if started.finished and folder.document.is_file():
                return started
            return self._run(plan, builds, started, done)

    def _run(
        self, plan: Plan, builds: Builds, started: RunRecord, done: Mapping[int, JobRecord]
    ) -> RunRecord:
        """Run the jobs that are not done, as their builds come."""
        loaded = self.builder.loaded
        folder = RunFolder(loaded.results, started.id)
        with folder.held():
            write_json(folder.record, asdict(replace(started, jobs=())))
            write_text(folder.plan, "\n".join(plan.describe()) + "\n")
            goes_on = self.killed is not None and self.killed.id == started.id
            with Recorder(loaded.database, started, begun=goes_on) as recorder:
                recorder.kept(partial(self._keep_programs, plan, folder))
                jobs = Jobs(
                    self.preparer, plan, builds, folder, recorder, Bases(self.bases, self.again)
                )
                with _nothing_left_of_nothing(jobs):
                    self._record(jobs, done)
                recorder.kept(partial(self._keep_account, folder))
                run = recorder.finish()
                recorder.kept(lambda: keep_exports(run, folder.path))
                recorder.kept(lambda: write_json(folder.document, to_json(run)))
                return recorder.with_troubles(run)

    def _keep_account(self, folder: RunFolder) -> None:
        """What came from the store and went there: entries by kind, and bytes."""
        store = store_of(self.builder.cache)
        if store is not None and store.account.used:
            rows = dict(store.account.rows())
            write_json(folder.store, {"url": str(store.settings.url), **rows})
            self.builder.listener.say(f"store: {store.account.told()}")

    def _keep_programs(self, plan: Plan, folder: RunFolder) -> None:
        keep_programs(folder, Programs.of(self.builder.loaded, _suites(plan)))

    def _record(self, jobs: Jobs, done: Mapping[int, JobRecord]) -> None:
        """Record each job that is not done, as it ends."""
        recorder, ended = jobs.recorder, set(done)
        try:
            for number, record in self._records(jobs, done):
                path = jobs.folder.job(number, record.variant).record
                recorder.kept(partial(write_json, path, job_document(record)))
                recorder.add_job(record)
                ended.add(number)
        except (KeyboardInterrupt, Terminated) as stop:
            left = [n for n in range(len(jobs.plan.jobs)) if n not in ended]
            unrun = tuple(jobs.unrun(n, INTERRUPTED, job_error.INTERRUPTED) for n in left)
            raise Interrupted(recorder.so_far(unrun), stop) from stop

    def _records(
        self, jobs: Jobs, done: Mapping[int, JobRecord]
    ) -> Iterator[tuple[int, JobRecord]]:
        """The record of each job that is not done, with its number, as it ends."""
        left = [number for number in range(len(jobs.plan.jobs)) if number not in done]
        limit = _Limit(self.max_fail)
        for result in (result for record in done.values() for result in record.results):
            limit.count(result)
        listener = self.builder.listener

        def tell(result: TestResult) -> None:
            listener.result(result)
            limit.count(result)
            if limit.reached:
                jobs.builds.give_up()
                executor.end()
                executor.wake()

        width = min(len(left), jobs.width)
        asked = ExecutorRequest(self.builder.loaded, width, tell, listener.say)
        with executor_for(asked) as executor, self._shown(asked.board, jobs):
            if min(executor.width, len(left)) > 1:
                listener.say(f"{len(left)} guests, {executor.width} at once")
            jobs.builds.tell(executor.wake)
            try:
                to_begin = ToBegin(jobs, left, jobs.lasted)
                for number, record in _as_they_end(jobs, executor, to_begin, limit):
                    left.remove(number)
                    yield number, _limited(record) if limit.reached else record
            except (KeyboardInterrupt, Terminated):
                # Beside each other: who interrupts waits ten seconds for both.
                jobs.builds.give_up()
                yield from executor.stop()
                raise
        jobs.builds.give_up()
        for number in left:
            yield number, jobs.unrun(number, ENOUGH)

    def _shown(self, board: Board, jobs: Jobs) -> AbstractContextManager[None]:
        """What other hosts do is kept in the run's folder; guests of this one leave their own."""
        if not jobs.elsewhere:
            return nullcontext()
        return board.shown(jobs.folder.hosts, lambda: jobs.builds.doing)


@contextmanager
def _nothing_left_of_nothing(jobs: Jobs) -> Iterator[None]:
    """Remove a run that an error ends before its first job: no guest of it has begun.

    Else each try at a scheduler that does not answer were the latest run.
    """
    try:
        yield
    except LabError:
        if not jobs.made and jobs.recorder.is_empty:
            jobs.recorder.forget()
            # What cannot be removed stays: why there is no run is what is to be told.
            with suppress(LabError, OSError):
                remove_tree(jobs.folder.path)
        raise


def _suites(plan: Plan) -> Sequence[str]:
    return tuple(dict.fromkeys(suite for job in plan.jobs for suite in job.suites))


@dataclass
class _Limit:
    """How many results that are not as expected end a run; ``most`` 0 is none."""

    most: int
    failed: int = 0

    @property
    def left(self) -> int:
        """How many more may come, or 0 for no limit."""
        return max(1, self.most - self.failed) if self.most else 0

    @property
    def reached(self) -> bool:
        """Whether nothing more is to run."""
        return bool(self.most) and self.failed >= self.most

    def count(self, result: TestResult) -> None:
        """Take a result in."""
        self.failed += not result.as_expected and result.ran


def _as_they_end(
    jobs: Jobs, executor: Executor, to_begin: ToBegin, limit: _Limit
) -> Iterator[tuple[int, JobRecord]]:
    """Each job's record, once it was begun: when its build is there, unless the limit is."""
    while executor.busy or (to_begin and not limit.reached):
        while not limit.reached and executor.busy < executor.width:
            if (number := to_begin.next()) is None:
                break
            job = jobs.make(number)
            if isinstance(job, Job):
                executor.submit(number, replace(job, max_fail=limit.left))
            else:
                yield number, job
        waits = executor.busy or (to_begin and not limit.reached)
        if waits and (ended := executor.next_record()) is not None:
            yield ended


def _limited(record: JobRecord) -> JobRecord:
    """The record of a job that was ended since others had come to the limit."""
    if not record.interrupted:
        return record
    enough = f"{DID_NOT_RUN}{ENOUGH.why}"
    results = tuple(
        result if result.ran else replace(result, message=enough, unrun=ENOUGH.kind)
        for result in record.results
    )
    return replace(record, error=None, results=results)


def _new_run(results: Path, plan: Plan, command: Sequence[str]) -> RunRecord:
    run_id = new_run_id()
    return RunRecord(
        id=run_id,
        started=now(),
        command=tuple(command),
        lab_version=package.__version__,
        host=Host.this(),
        plan=tuple(plan.describe()),
        planned=plan.recorded(),
        folder=str(RunFolder(results, run_id).path),
    )
