# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a series on one kernel: compiled, linked, tested, and told apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.analysis.mutant_score import (
    Fate,
    MutantResult,
    MutantScore,
    Reference,
    TestName,
    Twins,
    name_of,
    named,
)
from lab.analysis.series_verdict import KernelVerdict
from lab.analysis.verdict import Verdict
from lab.build import Build, BuildJob
from lab.build.mutant_bench import MutantBench, mutant_bench
from lab.builder import Builder
from lab.coverage.counted import COUNTED
from lab.errors import InfrastructureError, UserError
from lab.execution.executor import ExecutorRequest, executor_for
from lab.execution.jobs import guests_at_once
from lab.execution.mutant_crew import Crew, Guests
from lab.execution.mutant_job import MutantJobs
from lab.execution.mutant_trial import GuestTrial
from lab.execution.prepare import Preparer
from lab.model.records import JobRecord
from lab.model.status import Outcome
from lab.model.variant import Variant
from lab.mutants.change import Change
from lab.mutants.generator import Mutants, generate
from lab.mutants.mutant import Mutant
from lab.plan import JobPlan, SeriesPlan
from lab.process.temporary import temporary_folder
from lab.results import JobFolder
from lab.unforeseen import as_lab_error

#: What is told of a mutant, and its number of all.
Tell = Callable[[MutantResult], None]


@dataclass(frozen=True)
class Question:
    """A series on one kernel, verified: the two records that its mutants are measured by."""

    plan: SeriesPlan
    kernel: Variant
    verdict: KernelVerdict
    base: JobRecord
    patched: JobRecord

    @property
    def planned(self) -> JobPlan:
        """The patched kernel's job."""
        name = self.plan.patched(self.kernel)
        return next(job for job in self.plan.plan.jobs if job.variant == name)

    @property
    def first(self) -> tuple[TestName, ...]:
        """The tests that the series turned: the likeliest to notice."""
        turned = {
            (test.filesystem, test.suite, test.own or test.test)
            for test in self.verdict.tests
            if test.verdict in (Verdict.FIXED, Verdict.REGRESSED)
        }
        names = (name_of(result) for result in self.patched.results)
        return tuple(dict.fromkeys(name for name in names if (*name[:2], name[3]) in turned))

    def ran(self, mutant: Mutant) -> frozenset[TestName] | None:
        """The tests that ran a mutant's line with the patch; None where nobody counted."""
        hunks = () if self.verdict.lines is None else self.verdict.lines.hunks
        lines = (line.patched for hunk in hunks if hunk.file == mutant.file for line in hunk.lines)
        for line in lines:
            if line is not None and line.number == mutant.line and line.state in COUNTED:
                return frozenset((*ran[:3], ran.test) for ran, _ in line.tests)
        return None

    def first_for(self, mutant: Mutant) -> tuple[TestName, ...]:
        """The tests to begin with: of those that ran its line, those that the series turned."""
        ran = self.ran(mutant)
        if ran is None:
            return self.first
        turned = (name for name in self.first if name in ran)
        others = (name for name in map(name_of, self.patched.results) if name in ran)
        return tuple(dict.fromkeys((*turned, *others)))


def why_not(verdict: KernelVerdict) -> str:
    """Why a series has no mutants on a kernel; "" where it has some."""
    if verdict.outcome in (Outcome.UPSTREAM, Outcome.DOES_NOT_APPLY):
        return f"{verdict.outcome}: there is no patched kernel"
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return f"inconclusive: {verdict.why}"
    if verdict.binary is not None and verdict.binary.same:
        return "the series changes nothing in the binary"
    return ""


def changes_of(builder: Builder, question: Question) -> dict[str, Change | None]:
    """What the series does to each file that it touches on this kernel."""
    series = builder.series(question.plan.series)
    base = builder.view(question.kernel)
    patched = builder.view(question.plan.patched(question.kernel))
    found: dict[str, Change | None] = {}
    for patch in series.for_version(base.tree.version):
        for file in patch.touched:
            new, old = patched.read(file), base.read(file)
            content = b"" if old is None else old.content
            found[file] = None if new is None else Change(content, new.content)
    return found


def mutate(
    builder: Builder,
    question: Question,
    folder: Path,
    most: int,
    *,
    known: Mapping[str, MutantResult],
    tell: Tell,
) -> MutantScore:
    """Try the mutants of a series on a kernel.

    Args:
        folder: Keeps what the guests leave.
        most: How many are tried; 0 is all.
        known: By their digests those that a call that was cut short had tried.
        tell: Is told each as it is known, from any thread.

    Raises:
        UserError, InfrastructureError: Nothing can be built, or no guest runs.
    """
    started = time.monotonic()
    changes = changes_of(builder, question)
    mutants = generate(changes, most)
    score = MutantScore(str(question.kernel), of=mutants.of, left_out=mutants.left_out)
    if not mutants.chosen:
        return replace(score, why="there is no code of it that can be mutated")
    with temporary_folder("mutants") as scratch:
        trial = _Trial.of(builder, question, mutants, changes, folder, scratch, known, tell)
        results = tuple(sorted(trial.run(), key=lambda each: each.number))
        unsteady = tuple(sorted(f"{name[3]} on {name[0]}" for name in trial.unsteady))
    took = time.monotonic() - started
    return replace(score, results=results, unsteady=unsteady, duration_s=round(took, 1))


@dataclass
class _Trial:
    """All mutants of one kernel, tried."""

    builder: Builder
    question: Question
    mutants: Mutants
    changes: Mapping[str, Change | None]
    folder: Path
    scratch: Path
    known: Mapping[str, MutantResult]
    tell: Tell
    patched: Build
    job: BuildJob
    width: int
    twins: Twins = field(default_factory=Twins)
    lock: threading.Lock = field(default_factory=threading.Lock)
    reference: Future[Reference] = field(default_factory=Future)
    unsteady: frozenset[TestName] = frozenset()
    own: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)

    @staticmethod
    def of(
        builder: Builder,
        question: Question,
        mutants: Mutants,
        changes: Mapping[str, Change | None],
        folder: Path,
        scratch: Path,
        known: Mapping[str, MutantResult],
        tell: Tell,
    ) -> _Trial:
        asked = question.planned.build
        patched = builder.build(asked.variant, asked.config, fragments=asked.fragments)
        capacity = builder.capacity
        at_most = guests_at_once(
            builder.loaded, question.plan.plan, replace(capacity, cpus=1 << 10)
        )
        width = min(capacity.cpus, at_most, len(mutants.chosen))
        return _Trial(
            builder, question, mutants, changes, folder, scratch, known, tell, patched,
            patched.job, width,
        )  # fmt: skip

    def run(self) -> Iterator[MutantResult]:
        """What became of each, as it is known."""
        builder, planned = self.builder, self.question.planned
        preparer = Preparer(_booting(builder, planned.machine))
        cpus = builder.loaded.config.machines[planned.machine].cpus
        load = builder.capacity.load(self.width * cpus)
        place = JobFolder(self.folder / "patched")
        jobs = MutantJobs.of(preparer, planned, self.patched, place, load, self.question.first)
        asked = ExecutorRequest(builder.loaded, self.width, lambda _: None, lambda _: None)
        with executor_for(asked) as executor:
            guests = Guests(executor)
            tasks: list[tuple[int, Mutant]] = []
            for number, mutant in enumerate(self.mutants.chosen, 1):
                if (result := self.known.get(mutant.digest)) is not None:
                    yield replace(result, number=number, mutant=mutant)
                else:
                    tasks.append((number, mutant))

            def work(bench: MutantBench, task: tuple[int, Mutant]) -> list[MutantResult]:
                return self._tried(bench, *task, jobs, guests)

            control = threading.Thread(target=self._control, args=(jobs, guests), daemon=True)
            control.start()
            with Crew(tasks, self.width, self._bench, work, executor.wake) as crew:
                for results in crew.results(guests.see):
                    for result in results:
                        self.tell(result)
                        yield result

    def _told(self, mutant: Mutant, ran: tuple[str, ...]) -> tuple[str, ...]:
        """Of tests those that ran the line, where that is known: no other could have noticed."""
        counted = self.question.ran(mutant)
        if counted is None:
            return ran
        names = {f"{name[3] or name[2]} on {name[0]}" for name in counted}
        return tuple(name for name in ran if name in names)

    def _bench(self, number: int) -> AbstractContextManager[MutantBench]:
        return _begun(mutant_bench(self.job, number, self.scratch, tell=self.builder.listener.say))

    def _control(self, jobs: MutantJobs, guests: Guests) -> None:
        """Have the patched kernel tested as mutants are: what is otherwise is no mutant's doing."""
        try:
            record = guests.run(jobs.control())
            if record.error is not None:
                raise InfrastructureError(f"the patch as it is: {record.error.line}")
            reference = Reference(record, self.question.patched)
            self.unsteady = reference.unsteady
            self.reference.set_result(reference)
        except BaseException as error:
            self.reference.set_exception(error)

    def _tried(
        self, bench: MutantBench, number: int, mutant: Mutant, jobs: MutantJobs, guests: Guests
    ) -> list[MutantResult]:
        try:
            result = self._result(bench, number, mutant, jobs, guests)
        except Exception as error:
            said = as_lab_error(error)
            result = MutantResult(number, mutant, Fate.ERROR, said.what)
        with self.lock:
            return self.twins.late() if result is None else self.twins.ended(result)

    def _result(
        self, bench: MutantBench, number: int, mutant: Mutant, jobs: MutantJobs, guests: Guests
    ) -> MutantResult | None:
        """None of one that another is tested for."""
        if not bench.compiles(mutant.file):
            return MutantResult(number, mutant, Fate.SAME, "compiled nowhere with this config")
        patched, base = self._digests(bench, mutant.file)
        try:
            digest = bench.compile(mutant.file, mutant.content)
        except UserError as error:
            return MutantResult(number, mutant, Fate.UNCOMPILED, error.what)
        if digest and digest == patched:
            return MutantResult(number, mutant, Fate.SAME, "as the patch compiles it")
        if digest and digest == base and len(self.changes) == 1:
            return self._as_base(number, mutant)
        with self.lock:
            if self.twins.is_one(number, mutant, digest):
                return None
        return self._tested(bench, number, mutant, jobs, guests)

    def _digests(self, bench: MutantBench, file: str) -> tuple[str, str]:
        """Of the file as the series made it, and as it was before; "" where that compiles not."""
        key = (id(bench), file)
        if key not in self.own:
            change = self.changes[file]
            assert change is not None
            patched = bench.compile(file, change.patched)
            try:
                base = bench.compile(file, change.base)
            except UserError:
                base = ""
            self.own[key] = patched, base
        return self.own[key]

    def _as_base(self, number: int, mutant: Mutant) -> MutantResult:
        """What the verdict says already: the kernel without the series ran."""
        if not (first := self.question.first):
            names = tuple(map(named, self.question.base.results))
            why = "it is the kernel without the series, which no test tells from it"
            return MutantResult(number, mutant, Fate.SURVIVED, why, names)
        *_, test = first[0]
        why = f"it is the kernel without the series: {test} on {first[0][0]}"
        return MutantResult(number, mutant, Fate.NOTICED, why)

    def _tested(
        self, bench: MutantBench, number: int, mutant: Mutant, jobs: MutantJobs, guests: Guests
    ) -> MutantResult:
        try:
            built = bench.link(self.scratch / str(number))
        except UserError as error:
            # What others include is compiled there.
            return MutantResult(number, mutant, Fate.UNCOMPILED, error.what)
        if bench.is_own():
            return MutantResult(number, mutant, Fate.SAME, "as the patch is linked")
        place = self.folder / f"{number:03d}"
        trial = GuestTrial(
            jobs, guests.run, self.reference.result(), self.unsteady,
            self.question.first_for(mutant), place,
        )  # fmt: skip
        seen = trial.judged(built, self.patched)
        return MutantResult(number, mutant, seen.fate, seen.why, self._told(mutant, seen.ran))


@contextmanager
def _begun(bench: AbstractContextManager[MutantBench]) -> Iterator[MutantBench]:
    with bench as opened:
        opened.begin()
        yield opened


def _booting(builder: Builder, machine: str) -> Builder:
    """The same, whose guests are not kept for others: each kernel boots once."""
    config = builder.loaded.config
    changed = config.machines[machine].model_copy(update={"saved_state": False})
    machines = {**config.machines, machine: changed}
    loaded = replace(builder.loaded, config=config.model_copy(update={"machines": machines}))
    return replace(builder, loaded=loaded)
