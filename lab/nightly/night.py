# SPDX-License-Identifier: GPL-2.0-only
"""A night from end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.analysis.run_status import unbuilt_jobs, uncompiled_programs
from lab.analysis.series_verdict import Verification
from lab.config import LoadedConfig
from lab.errors import ExitStatus
from lab.model.records import RunRecord, now
from lab.model.test_key import TestKey
from lab.nightly.baseline import BASELINE, Before, last_words
from lab.nightly.bisected import Bisected
from lab.nightly.got_worse import got_worse, wanted
from lab.nightly.judgement import Judgement, Kind, judge_night, judge_verdicts, remember
from lab.nightly.kernel_changes import Manifests, Since, since
from lab.nightly.message import kept, text_of
from lab.nightly.refresh import refresh
from lab.nightly.rerun import doubtful, rerun_plan, together
from lab.nightly.single_instance import alone
from lab.nightly.state import Memory
from lab.nightly.worse import GotWorse
from lab.plan import Plan, SeriesPlan, plan_matrix, plan_series_matrix
from lab.results import RunFolder, write_text
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.session import Lab

#: Runs that a killed nightly is looked for among: its bisections record many behind its own.
_RECENT = 500


@dataclass(frozen=True)
class Night:
    """What became of a night.

    Args:
        run: The night itself; without jobs when nothing could be tested.
        baseline: The run it was compared with; "" for the first.
        reruns: The run that repeated what got worse.
        verification: Of a matrix with a series.
        troubles: What of the lab's own went wrong, and is no word on a kernel.
        report: What was written for people to look at.
        since: What of the kernels, and of what is built on them, is not as it was.
        told: How each channel took it; empty when there was nothing to tell.
        bisected: What became of the bisections of this night; none of it changes the status.
    """

    matrix: str
    run: RunRecord
    judgement: Judgement
    baseline: str = ""
    reruns: RunRecord | None = None
    verification: Verification | None = None
    troubles: tuple[str, ...] = ()
    report: Path | None = None
    since: tuple[Since, ...] = ()
    told: tuple[str, ...] = ()
    bisected: tuple[Bisected, ...] = ()

    @property
    def status(self) -> ExitStatus:
        """UNEXPECTED if a result or a verdict is not as expected, whatever else is wrong."""
        verdicts = self.verification.kernels if self.verification else ()
        wrong = any(not kernel.as_expected and not kernel.ours for kernel in verdicts)
        if wrong or self.judgement.surprises or self.judgement.of(Kind.GONE):
            return ExitStatus.UNEXPECTED
        if unbuilt_jobs(self.run) or uncompiled_programs(self.run):
            return ExitStatus.USER
        lost = self.judgement.of(Kind.UNTESTED) or any(not k.as_expected for k in verdicts)
        if self.troubles or lost:
            return ExitStatus.INFRASTRUCTURE
        return ExitStatus.EXPECTED


#: Tells a night, and what was left untold before; gives how it went, the troubles, and
#: what could not be delivered now.
Tell = Callable[
    [Night, Sequence[Mapping[str, Any]]],
    tuple[tuple[str, ...], tuple[str, ...], tuple[Mapping[str, Any], ...]],
]


def nightly_plan(loaded: LoadedConfig) -> Plan | SeriesPlan:
    """What a night tests: ``nightly.matrix``.

    Raises:
        UserError: There is no such matrix.
    """
    name = loaded.config.nightly.matrix
    series = plan_series_matrix(loaded, name)
    if series is not None:
        return replace(series, plan=_named(series.plan, name))
    return _named(plan_matrix(loaded, name), name)


def _named(plan: Plan, matrix: str) -> Plan:
    return replace(plan, name=f"nightly {matrix}")


def nightly(lab: Lab, command: Sequence[str], tell: Tell) -> Night:
    """Refresh, build, test, repeat what got worse, judge, bisect, report, tell, remember.

    Raises:
        UserError: The configuration.
        InfrastructureError: Another nightly runs, or the database cannot be had.
    """
    folder = lab.results / "nightly"
    with alone(folder / ".lock"):
        chosen = nightly_plan(lab.loaded)
        memory = Memory.load(folder / "memory.json")
        run = _Run(lab, chosen, command, memory)
        night = replace(judged := run.judged(), bisected=run.bisected(judged))
        night = _reported(lab, night)
        told, troubles, unsent = _told(tell, night, memory)
        night = replace(night, told=told, troubles=(*night.troubles, *troubles))
        return _remembered(lab, night, run, replace(run.after, unsent=unsent))


def _told(
    tell: Tell, night: Night, memory: Memory
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Mapping[str, Any], ...]]:
    try:
        return tell(night, memory.unsent)
    except Exception as error:
        # The night is remembered all the same, and what could not be sent before it, too.
        return (), (f"nobody was told: {as_lab_error(error)}",), memory.unsent


@dataclass
class _Run:
    """A night that is going on."""

    lab: Lab
    chosen: Plan | SeriesPlan
    command: Sequence[str]
    memory: Memory
    before: Before | None = None
    after: Memory = field(default_factory=Memory)

    @property
    def plan(self) -> Plan:
        return self.chosen.plan if isinstance(self.chosen, SeriesPlan) else self.chosen

    def judged(self) -> Night:
        troubles = list(refresh(self.lab, self.plan))
        with _store(self.lab) as store:
            self.before = last_words(store, self.memory)
            killed = killed_run(store, self.plan, self.memory)
        run, verification = self._tested(self.lab.going_on_with(killed))
        troubles += run.troubles
        reruns: RunRecord | None = None
        doubted: tuple[TestKey, ...] = ()
        if run.jobs:
            doubted = doubtful(self._past(run), run)
            try:
                reruns = self._repeated(doubted)
            except Exception as error:
                said = as_lab_error(error)
                troubles.append(f"what got worse could not be repeated: {said}")
        return self._night(run, reruns, doubted, verification, troubles)

    def _past(self, run: RunRecord) -> RunRecord:
        return self.before.run if self.before else replace(run, jobs=())

    def _tested(self, lab: Lab) -> tuple[RunRecord, Verification | None]:
        if isinstance(self.chosen, SeriesPlan):
            # Also where the binary is the same: a test that has no result is told as gone.
            verification = lab.verify(self.chosen, self.command, again=True)
            nothing = RunRecord("", now(), now(), tuple(self.command))
            return verification.run or nothing, verification
        return lab.test(self.chosen, self.command), None

    def _repeated(self, doubted: Sequence[TestKey]) -> RunRecord | None:
        times = self.lab.loaded.config.nightly.reruns
        plan = rerun_plan(self.plan, doubted, times)
        if plan is None:
            return None
        self.lab.listener.say(f"repeating what got worse, {times} times")
        return self.lab.test(plan, self.command)

    def _night(
        self,
        run: RunRecord,
        reruns: RunRecord | None,
        doubted: Sequence[TestKey],
        verification: Verification | None,
        troubles: list[str],
    ) -> Night:
        tonight = together(run, reruns, doubted)
        judgement = judge_night(self.before, tonight, self.memory) if run.jobs else Judgement(())
        if verification is not None:
            verdicts = judge_verdicts(verification.kernels, judgement, self.memory)
            judgement = replace(judgement, verdicts=verdicts)
        self.after = remember(self.memory, self.before, run, reruns, judgement)
        if not run.jobs:
            kept = self.memory
            self.after = replace(kept, verdicts=self.after.verdicts)
        failed = [(job.name, job.lab_error) for job in run.jobs if job.lab_error is not None]
        troubles += [f"{name}: {error}" for name, error in failed]
        baseline = self.before.run.id if self.before else ""
        name = self.lab.loaded.config.nightly.matrix
        past = self.before.run if self.before else None
        apart: tuple[Since, ...] = ()
        try:
            apart = since(self.lab, past, run)
            self._forget(run, past)
        except Exception as error:
            troubles.append(f"what changed since then is not known: {as_lab_error(error)}")
        night = Night(name, run, judgement, baseline, reruns, verification, tuple(troubles))
        return replace(night, since=apart)

    def bisected(self, night: Night) -> tuple[Bisected, ...]:
        """Bisect what got worse, if that is asked for; ``after`` knows what is left of that."""
        asked = self.lab.loaded.config.nightly
        self.after = replace(self.after, bisecting=())
        if not asked.bisect:
            return ()
        new: tuple[GotWorse, ...] = ()
        if self.before is not None and night.run.jobs:
            new = got_worse(self.before, night.judgement, night.run)
        found = self._bisected(wanted(self.memory.bisecting, new), asked.bisect_budget)
        self.after = replace(
            self.after,
            bisecting=tuple(one.what for one in found if one.goes_on),
            bisected=kept(self.memory.bisected, found),
        )
        return found

    def _bisected(self, what: Sequence[GotWorse], budget_s: float) -> tuple[Bisected, ...]:
        if not what:
            return ()
        # Guests: a night that bisects nothing does without.
        from lab.nightly.bisecting import bisect_all
        from lab.nightly.budget import Budget

        return bisect_all(self.lab, what, Budget(budget_s), self.command)

    def _forget(self, *runs: RunRecord | None) -> None:
        jobs = [job for run in runs if run for job in run.jobs]
        if jobs:
            Manifests.of(self.lab).keep_only(job.evidence.tree_identity for job in jobs)


def killed_run(store: Any, plan: Plan, memory: Memory) -> RunRecord | None:
    """The newest run of this plan, if no nightly has come to its end with it."""
    for summary in store.runs(_RECENT):
        run = summary.run
        if run.planned is not None and run.planned.name == plan.name:
            return store.load(run.id) if run.id != memory.baseline else None
    return None


def _reported(lab: Lab, night: Night) -> Night:
    if not night.run.jobs:
        return night
    folder = RunFolder(lab.results, night.run.id)
    try:
        lost: list[str] = []
        night = replace(night, report=write_report(lab, night, lost.append))
        said = (f"a page of the report could not be made: {trouble}" for trouble in lost)
        night = replace(night, troubles=(*night.troubles, *said))
    except Exception as error:
        # Whatever is wrong with the pages, people have to be told of the night.
        trouble = f"no report: {as_lab_error(error)}"
        night = replace(night, troubles=(*night.troubles, trouble))
    try:
        write_text(folder.path / "nightly.txt", text_of(night))
    except Exception as error:
        night = replace(night, troubles=(*night.troubles, str(as_lab_error(error))))
    return night


def write_report(lab: Lab, night: Night, troubles: Callable[[str], object]) -> Path:
    """Write the pages of a night; returns the first, and tells which could not be made."""
    # Jinja: after a night, when nobody waits for it.
    from lab.bisect.records import bisection_records
    from lab.report.site import publish

    with _store(lab) as store:
        baseline = night.baseline or None
        bisections = partial(bisection_records, lab.results)
        return publish(
            store,
            lab.results,
            night.run.id,
            baseline,
            troubles=troubles,
            bisections=bisections,
        )


def _remembered(lab: Lab, night: Night, run: _Run, memory: Memory) -> Night:
    """Move the baseline on; a database that is away costs that, and not the night."""
    path = lab.results / "nightly" / "memory.json"
    try:
        if night.run.jobs:
            with _store(lab) as store:
                store.set_baseline(BASELINE, night.run.id)
    except Exception as error:
        trouble = f"the baseline stays {night.baseline}: {as_lab_error(error).what}"
        old = replace(
            run.memory,
            unsent=memory.unsent,
            bisecting=memory.bisecting,
            bisected=memory.bisected,
        )
        old.save(path)
        return replace(night, troubles=(*night.troubles, trouble))
    memory.save(path)
    return night


@contextmanager
def _store(lab: Lab) -> Iterator[Any]:
    # SQLAlchemy: a night that may not begin does without.
    from lab.results import Store

    with Store.open(lab.database) as store:
        yield store
