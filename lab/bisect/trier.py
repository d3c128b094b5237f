# SPDX-License-Identifier: GPL-2.0-only
"""Points tried for real: built through the cache, run in guests, each run recorded."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from lab.bisect.ahead import Ahead, Stopped
from lab.bisect.of_build import OfBoot
from lab.bisect.point import Point
from lab.bisect.question import Question
from lab.bisect.subjects.setup import Buildable, Setup
from lab.bisect.told import Seen, Sight, Trial
from lab.build import Build, BuildJob, Step, find_build, near_benches
from lab.builder import Builder, Listener
from lab.config import LoadedConfig
from lab.config.model import KernelConfig, Section
from lab.doctor import require
from lab.errors import InfrastructureError, LabError, UserError
from lab.execution.prepare import Preparer
from lab.execution.programs import Programs
from lab.execution.resume import unfinished
from lab.execution.run import Runner
from lab.model.records import RunRecord, TestResult
from lab.plan import JobPlan, Plan, plan_variants
from lab.unforeseen import as_lab_error

#: Repetitions of a first run: each that follows has twice as many, since one that failed ends it.
_FIRST = 4
#: What is built ahead has what the guest leaves.
_AHEAD_NICE = 19
#: What is built ahead has that of the two which the last step was not built on: a guess that was
#: wrong must not take the other one further from what is wanted then.
_BENCHES = (1, 2)
#: What links a kernel leaves all CPUs but one idle: it begins with vmlinux.a in 6.1, and with
#: vmlinux.o in 4.1.
_LINKS = re.compile(r"vmlinux(?:\.a|\.o|)|\.tmp_vmlinux\S*")
_LINKERS = frozenset({"AR", "LD", "LINK"})


@dataclass(frozen=True)
class Asked:
    """What is tested of each point beside the question's pattern: one machine, one config.

    Empty is what ``lab test`` takes.
    """

    filesystems: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    machine: str = "default"
    config: str = "default"

    @property
    def named(self) -> tuple[str, ...]:
        """What was chosen, which makes another question of the same."""
        around = (("machine", self.machine), ("config", self.config))
        return (
            *(f"filesystem {name}" for name in self.filesystems),
            *(f"suite {name}" for name in self.suites),
            *(f"{noun} {name}" for noun, name in around if name != "default"),
        )


@dataclass(frozen=True)
class _Tested:
    """What was seen of a point, and by which bytes it may be known again."""

    digest: str
    trials: tuple[Trial, ...]


@dataclass
class GuestTrier:
    """A Trier whose guests are real.

    Args:
        command: What is recorded as the command of each run.
        ahead: Whether what is likely to come next is built while a guest runs.
    """

    subject: Buildable
    question: Question
    asked: Asked
    command: Sequence[str]
    ahead: bool = True
    _tested: list[_Tested] = field(default_factory=list)
    _tried_once: set[str] = field(default_factory=set)
    _next: tuple[Point, ...] = ()
    _free: int = _BENCHES[-1]

    def __post_init__(self) -> None:
        self._builds = Ahead(self._build_ahead, self._bring)

    def prepare(self, points: Sequence[Point]) -> None:
        """See Trier; they are begun when the point that is wanted now is linked."""
        self._next = tuple(points)

    @property
    def _beside_builds(self) -> bool:
        # Compilers beside a guest shape what is measured in it.
        return self.ahead and bool(self._next) and not self.question.trials

    def _begin_ahead(self) -> None:
        if self._beside_builds:
            self._builds.begin(self._next)

    def close(self) -> None:
        """Stop what is built ahead."""
        self._builds.end()

    def made_from(self) -> str:
        """What the ends are built from, as a digest: with another patch it is another question.

        Raises:
            InfrastructureError: A tree cannot be had.
        """
        keys = "\n".join(self._key(point) for point in (*self.subject.old, self.subject.new))
        return hashlib.sha256(keys.encode()).hexdigest()

    def tested_with(self) -> str:
        """What the points are tested with, as a digest: with another test of the same name, or on
        another filesystem, it is another question.

        "" where nothing runs, or cannot: whoever tries it is told why.
        """
        if not self.question.needs_guest:
            return ""
        try:
            setup = self.subject.setup(self.subject.new)
            parts = list(_tested_with(setup.builder.loaded, self._plan(setup, 1).jobs[0]))
        except UserError:
            return ""
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def refuse_pattern(self) -> None:
        """Refuse a name that somebody typed before anything is built, as ``lab test`` does.

        Raises:
            UserError: No test has a name like the one that is asked for.
        """
        try:
            setup = self.subject.setup(self.subject.new)
            plan = self._plan(setup, 1)
        except UserError:
            # Of the end, which says so itself when it is tried.
            return
        Preparer(setup.builder).refuse_pattern(plan)

    def _key(self, point: Point) -> str:
        """Of its build; "" for one that has none: it says so itself when it is tried."""
        try:
            setup = self.subject.setup(point)
            return _job(setup.builder, self._plan(setup, 1).jobs[0]).key
        except UserError:
            return ""

    def try_(self, point: Point, times: int) -> Generator[Trial, None, None]:
        """See Trier."""
        begun = time.monotonic()
        try:
            setup = self.subject.setup(point)
            planned = self._plan(setup, 1).jobs[0]
            built = self._built(point, setup, planned)
        except Exception as raised:
            yield Trial(self._unbuilt(as_lab_error(raised)), build_s=_since(begun))
            return
        build_s = _since(begun)
        if not self.question.needs_guest:
            yield Trial(self.question.built(), build_s=build_s)
            return
        for trial in self._tried(point, setup, planned, built, times):
            yield replace(trial, build_s=build_s)
            build_s = 0.0

    def _built(self, point: Point, setup: Setup, planned: JobPlan) -> Build:
        """The point that is wanted, on the workbench that is nearest to it."""
        builder = replace(setup.builder, benches=_BENCHES)
        job = _job(builder, planned)
        # What is there, as an end that is tried again is, needs nobody to give way.
        if find_build(job) is None:
            self._builds.give_way(point)
        near, *others = near_benches(job)
        self._free = next(number for number in _BENCHES if number != near)
        if others:
            # What would have to be copied from the one that is built on waits for that.
            builder = replace(builder, listener=_Linked(builder.listener, self._begin_ahead))
        return _built(builder, planned)

    def _tried(
        self, point: Point, setup: Setup, planned: JobPlan, built: Build, times: int
    ) -> Iterator[Trial]:
        """The trials of a point that was built, or those of another that is the same bytes."""
        try:
            digest = _digest(setup.builder, planned, built)
        except Exception as raised:
            yield Trial(_ours(as_lab_error(raised)))
            return
        known = list(self._known(point, digest))[:times]
        self._tried_once.add(point.key)
        yield from (replace(trial, test_s=0.0) for trial in known)
        made: list[Trial] = []
        try:
            for trial in self._run_all(setup, times - len(known)):
                made.append(trial)
                yield trial
        finally:
            if made and all(trial.seen.sight is not Sight.OURS for trial in made):
                self._tested.append(_Tested(digest, tuple(made)))

    def _known(self, point: Point, digest: str) -> Iterator[Trial]:
        """What another point showed that was booted from the very same bytes.

        A point that is tried again is tried again: an end, or the answer, is to be proved.
        """
        if point.key in self._tried_once:
            return
        for tested in self._tested:
            if tested.digest == digest:
                yield from tested.trials
                return

    def _run_all(self, setup: Setup, times: int) -> Iterator[Trial]:
        """Runs, until there were so many trials, or one that says nothing."""
        left, size = times, _FIRST if times > 1 else 1
        while left > 0:
            number = min(size, left) if self.question.repeats else 1
            trials = self._run(setup, number)
            yield from trials
            if trials[-1].seen.sight in (Sight.OURS, Sight.UNTESTABLE) or len(trials) < number:
                return
            left, size = left - number, size * 2

    def _run(self, setup: Setup, times: int) -> list[Trial]:
        """One recorded run with so many repetitions."""
        begun = time.monotonic()
        self._begin_ahead()
        try:
            require("test")
            loaded = _for_trial(setup.builder.loaded, beside_builds=self._beside_builds)
            builder, plan = replace(setup.builder, loaded=loaded), self._plan(setup, times)
            killed = unfinished(builder.loaded, plan, builder.listener.say)
            run = Runner(builder, killed).run(plan, self.command)
            seen = self.question.look(run)
        except Exception as raised:
            return [Trial(_ours(as_lab_error(raised)), test_s=_since(begun))]
        return _trials(run, seen, _since(begun))

    def _plan(self, setup: Setup, times: int) -> Plan:
        plan = plan_variants(
            setup.builder.loaded,
            [setup.variant],
            self.asked.filesystems,
            self.asked.suites,
            self.question.pattern,
            machines=[self.asked.machine],
            configs=[setup.config or self.asked.config],
        )
        jobs = plan.jobs
        if isinstance(self.question, OfBoot):
            # A guest that runs one suite has booted.
            jobs = tuple(map(_least, jobs))
        return replace(plan, name="bisect", jobs=jobs).repeated(times)

    def _bring(self, point: Point) -> None:
        """A point's source, which takes a second or two of a commit."""
        setup = self.subject.setup(point)
        setup.builder.tree(setup.variant.kernel)

    def _build_ahead(self, point: Point, stopped: Stopped) -> None:
        setup = self.subject.setup(point)
        builder = replace(setup.builder, nice=_AHEAD_NICE, benches=(self._free,))
        _built(builder, self._plan(setup, 1).jobs[0], stopped)

    def _unbuilt(self, error: LabError) -> Seen:
        if isinstance(error, InfrastructureError):
            return _ours(error)
        return self.question.unbuilt(error)


def _least(job: JobPlan) -> JobPlan:
    filesystem, suite = job.places[0]
    return replace(job, filesystems=(filesystem,), suites=(suite,))


@dataclass(frozen=True)
class _Linked:
    """A Listener that says besides when a kernel is linked: once or several times."""

    listener: Listener
    on_link: Callable[[], None]

    def say(self, message: str) -> None:
        """See Listener."""
        self.listener.say(message)

    def step(self, variant: str, step: Step) -> None:
        """See Listener."""
        self.listener.step(variant, step)
        if step.tool in _LINKERS and _LINKS.fullmatch(step.target):
            self.on_link()

    def result(self, result: TestResult) -> None:
        """See Listener."""
        self.listener.result(result)


def _job(builder: Builder, planned: JobPlan) -> BuildJob:
    asked = planned.build
    return builder.build_job(asked.variant, asked.config, asked.fragments)


def _built(builder: Builder, planned: JobPlan, stopped: Stopped = lambda: False) -> Build:
    asked = planned.build
    return builder.build(asked.variant, asked.config, stopped, asked.fragments)


def _digest(builder: Builder, planned: JobPlan, built: Build) -> str:
    """Of all that runs in a guest of it: what is booted, and programs, some made of its tree."""
    programs = Preparer(builder).programs(planned.suites, built).digests()
    return hashlib.sha256(built.image.read_bytes() + repr(programs).encode()).hexdigest()


def _tested_with(loaded: LoadedConfig, planned: JobPlan) -> Iterator[str]:
    """All but the kernel that decides what a guest shows, as ``lab.toml`` and files have it."""
    config = loaded.config
    suites = dict.fromkeys(suite for _, suite in planned.places)
    images = dict.fromkeys(config.suites[name].image for name in suites)
    sections: list[Section] = [
        config.machines[planned.machine],
        *(config.filesystems[name] for name in planned.used_filesystems),
        *(config.suites[name] for name in suites),
        *(config.images[name] for name in filter(None, images)),
    ]
    yield repr(planned.places)
    yield from (section.model_dump_json(exclude={"description"}) for section in sections)
    for name, path in Programs.of(loaded, suites).sources():
        try:
            yield f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        except OSError as error:
            raise UserError(f"a program's source cannot be read: {error.strerror}") from error


def _for_trial(loaded: LoadedConfig, *, beside_builds: bool) -> LoadedConfig:
    """A ``lab.toml`` that expects nothing of any point, and knows what goes on beside its guest."""
    configs = loaded.config.configs
    if beside_builds:
        configs = {name: _slower(section) for name, section in configs.items()}
    config = loaded.config.model_copy(update={"expect": (), "configs": configs})
    return replace(loaded, config=config)


def _slower(section: KernelConfig) -> KernelConfig:
    """Twice the deadlines: a host that compiles beside a guest is no fault of the kernel's."""
    return section.model_copy(update={"slower": 2 * section.slower})


def _trials(run: RunRecord, seen: Sequence[Seen], test_s: float) -> list[Trial]:
    """One for each repetition; the seconds of all are the first's."""
    return [
        Trial(one, run.id, test_s=test_s if number == 0 else 0.0) for number, one in enumerate(seen)
    ]


def _ours(error: LabError) -> Seen:
    return Seen(Sight.OURS, error.what)


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 1)
