# SPDX-License-Identifier: GPL-2.0-only
"""The bisections beside a run, as their pages have them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from lab.model.bisection import BisectionRecord, BisectionState, BisectionStep, StepSide
from lab.model.records import JobRecord, RunRecord
from lab.report.site.page_names import count, safe_name
from lab.report.site.status_mark import Mark, mark

#: Of bisections that the run is no step of.
_MOST = 12
#: Of a step's run; all are in the database.
_MOST_RESULTS = 200
_SIGNS = {StepSide.OLD: "✓", StepSide.NEW: "✗", StepSide.SKIPPED: "?", StepSide.OPEN: "…"}
_CSS = {StepSide.OLD: "pass", StepSide.NEW: "fail odd", StepSide.SKIPPED: "skip"}
#: Where neither side is the worse one: of what was mended the old one fails.
_NEUTRAL = {StepSide.OLD: "○", StepSide.NEW: "●"}
_JUDGED = ("good", "bad")


def _no_run(name: str) -> RunRecord:
    raise LookupError(name)


@dataclass(frozen=True)
class Bisected:
    """The bisections that a report has pages of, and the runs of their steps.

    Args:
        known: The runs that are recorded: a step whose run went keeps what it said.
        load: Gives one of these.
        own: The run that the report is of, which needs no other page.
    """

    records: tuple[BisectionRecord, ...] = ()
    known: Collection[str] = frozenset()
    load: Callable[[str], RunRecord] = _no_run
    own: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that have a page: those of the steps, each once."""
        named = (run for record in self.records for run in record.runs)
        return tuple(dict.fromkeys(run for run in named if run in self.known and run != self.own))

    def link(self, run: str) -> str:
        """The page of a step's run; "" where it has none."""
        if run and run == self.own:
            return "index.html"
        return run_page(run) if run in self.known else ""

    def steps_of(self, run: str) -> Iterator[tuple[BisectionRecord, BisectionStep]]:
        """The steps that a run recorded trials of, and their bisections."""
        for record in self.records:
            for step in record.steps:
                if any(trial.run == run for trial in step.trials):
                    yield record, step


def chosen(records: Sequence[BisectionRecord], run: str) -> tuple[BisectionRecord, ...]:
    """Those that a run's report has: the newest, and all that the run is a step of."""
    return tuple(
        record for place, record in enumerate(records) if place < _MOST or run in record.runs
    )


def bisection_page(name: str) -> str:
    """The page of a bisection."""
    return f"bisections/{safe_name(name)}.html"


def run_page(run: str) -> str:
    """The page of a step's run."""
    return f"runs/{safe_name(run)}.html"


def state_mark(record: BisectionRecord) -> Mark:
    """How a bisection looks."""
    css, sign = {
        BisectionState.FOUND: ("pass" if record.proved else "pass odd", "✓"),
        BisectionState.UNDECIDED: ("skip", "?"),
        BisectionState.GOES_ON: ("skip", "…"),
        BisectionState.INTERRUPTED: ("error", "…"),
    }.get(record.state, ("error odd", "E"))
    return Mark(sign, record.state.value, css, "odd" in css, 0)


def state_said(record: BisectionRecord) -> str:
    """What is to be known of one that is not at its end."""
    return {
        BisectionState.GOES_ON: "It is not decided yet: a lab is at work on it",
        BisectionState.INTERRUPTED: "Nobody is at work on it: the command that began it goes on",
    }.get(record.state, "")


@dataclass(frozen=True)
class ShownTrial:
    """Trials that said the same, and where the run is that recorded them."""

    said: str
    times: str
    run: str
    href: str


@dataclass(frozen=True)
class ShownStep:
    """A row of a bisection's page."""

    step: BisectionStep
    mark: Mark
    trials: tuple[ShownTrial, ...]
    cost: str


def shown_steps(record: BisectionRecord, bisected: Bisected) -> Iterator[ShownStep]:
    """The steps of one, in order."""
    for step in record.steps:
        trials = tuple(
            ShownTrial(
                one.said,
                f"{one.count} times" if one.count > 1 else "",
                one.run,
                bisected.link(one.run),
            )
            for one in step.trials
        )
        yield ShownStep(step, _step_mark(step, record.words), trials, _cost(step))


def _step_mark(step: BisectionStep, words: tuple[str, str]) -> Mark:
    if words != _JUDGED and step.side in _NEUTRAL:
        return Mark(_NEUTRAL[step.side], step.word, "skip", False, 0)
    css = _CSS.get(step.side, "error")
    return Mark(_SIGNS[step.side], step.word or "not decided", css, False, 0)


def _cost(step: BisectionStep) -> str:
    named = (("build", step.build_s), ("test", step.test_s))
    return ", ".join(f"{what} {seconds:.0f} s" for what, seconds in named)


@dataclass(frozen=True)
class ShownResult:
    """A result of a step's run."""

    mark: Mark
    place: str
    test: str
    message: str


def shown_results(job: JobRecord) -> tuple[list[ShownResult], str]:
    """The results of a job, the worst first, and how many more there are."""
    rows = [
        ShownResult(
            mark(one.status, one.expected),
            " ".join(filter(None, (one.filesystem, one.suite))),
            one.test,
            one.message,
        )
        for one in job.results
    ]
    rows.sort(key=lambda row: row.mark.rank)
    left = len(rows) - _MOST_RESULTS
    return rows[:_MOST_RESULTS], count(left, "more result") if left > 0 else ""
