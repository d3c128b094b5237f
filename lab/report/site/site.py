# SPDX-License-Identifier: GPL-2.0-only
"""The report as a folder of pages, each readable by itself and without a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from lab.analysis.compare import Change
from lab.analysis.job_names import jobs_apart
from lab.analysis.run_status import (
    count_errors,
    is_unexpected,
    job_complaints,
    run_status,
    unbuilt_jobs,
    uncompiled_programs,
)
from lab.errors import ExitStatus, InfrastructureError, UserError
from lab.model.bisection import BisectionRecord
from lab.model.records import RunRecord, command_line
from lab.model.variant import Variant
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.report.metrics.view import charts as metric_charts
from lab.report.site import plots
from lab.report.site.bisections import (
    bisection_page,
    run_page,
    shown_results,
    shown_steps,
    state_mark,
    state_said,
)
from lab.report.site.changes import changed, unchanged_surprises
from lab.report.site.coverage import shown_coverage
from lab.report.site.detail import detail
from lab.report.site.facts import (
    ago,
    facts,
    log_links,
    problems,
    proof,
    tally,
    told_page,
    took,
    when,
)
from lab.report.site.grid import matrix, suite_table
from lab.report.site.log import Log
from lab.report.site.mutants import shown_mutants
from lab.report.site.page_data import (
    Group,
    Job,
    Report,
    kernel_page,
    log_page,
    series_page,
    test_page,
)
from lab.report.site.page_names import count
from lab.report.site.pairs import all_pairs, pair
from lab.report.site.render import asset, render, safe
from lab.report.site.status_mark import Mark, legend
from lab.report.site.template_data import ShownDetail, ShownExcerpt, log_html, shortened
from lab.unforeseen import as_lab_error

_MOST_KERNELS = 6
#: On the first page; all have a line on a page of their own.
_MOST_BISECTIONS = 4
_ASSETS = ("report.css", "report.js")
#: Marks a folder as a report's, which a new one may replace.
_STAMP = ".lab-report"


def write_site(
    report: Report, folder: Path, troubles: Callable[[str], object] = lambda _: None
) -> Path:
    """Write all pages; the folder appears, or is replaced, when they are done.

    Args:
        troubles: Is told of each page that could not be made; it says so itself, too.

    Returns:
        The first page.

    Raises:
        UserError: The folder holds something that is no report.
        InfrastructureError: It cannot be written.
    """
    folder = folder.absolute()
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / _STAMP).exists():
            raise UserError("it holds something else", where=folder, hint="--output DIR")
        with locked(folder.with_name(f".{folder.name}.lock")), scratch_folder(folder) as beside:
            _fill(report, beside, troubles)
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror}", where=folder) from error
    return folder / "index.html"


def write_waiting(folder: Path) -> Path:
    """Write the one page that there is while no run is; returns it.

    Raises:
        InfrastructureError: It cannot be written.
    """
    page = folder / "index.html"
    try:
        for name in _ASSETS:
            (folder / name).write_bytes(asset(name))
        page.write_text(render("waiting.html.j2", run=None, nav=(), root=""), encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror}", where=folder) from error
    return page


def _fill(report: Report, folder: Path, troubles: Callable[[str], object]) -> None:
    for name in ("bisections", "kernels", "logs", "results", "runs", "series", "tests"):
        (folder / name).mkdir()
    for name in _ASSETS:
        (folder / name).write_bytes(asset(name))
    for name, make in _makers(report):
        text = _made(name, make, troubles)
        (folder / name).write_text(text, encoding="utf-8", errors="replace")
    (folder / _STAMP).write_text(report.run.id + "\n")


def _made(name: str, make: Callable[[], str], troubles: Callable[[str], object]) -> str:
    """A page's text; of one that cannot be made, why: the others are there all the same."""
    try:
        return make()
    except Exception as error:
        said = as_lab_error(error)
        troubles(f"{name}: {said}")
        return f"<!doctype html><title>not made</title><pre>{name}: {safe(str(said))}</pre>\n"


def pages(report: Report) -> Iterator[tuple[str, str]]:
    """Each page's path in the folder, and its text."""
    return ((name, make()) for name, make in _makers(report))


def _makers(report: Report) -> Iterator[tuple[str, Callable[[], str]]]:
    site = _Site(report)
    yield "index.html", site.index
    yield "plots.html", site.plots
    yield "kernels.html", site.kernels
    if report.series:
        yield "series.html", site.all_series
    yield from _bisection_makers(site, report)
    for variant in site.variants:
        yield kernel_page(variant), partial(site.kernel, variant)
    for name in report.series:
        yield series_page(name), partial(site.series, name)
    for suite, test in report.tests:
        yield test_page(suite, test), partial(site.test, suite, test)
    for job in report.jobs:
        for group in job.groups:
            yield group.page, partial(site.group, job, group)
        for log in job.logs.all:
            yield log_page(log.page), partial(site.log, job, log)


def _bisection_makers(site: _Site, report: Report) -> Iterator[tuple[str, Callable[[], str]]]:
    if report.bisected.records:
        yield "bisections.html", site.bisections
    for record in report.bisected.records:
        yield bisection_page(record.id), partial(site.bisection, record)
    for run in report.bisected.runs:
        yield run_page(run), partial(site.step_run, run)


@dataclass(frozen=True)
class Headline:
    """What the run comes to, in a sentence."""

    css: str
    sign: str
    text: str


def headline(run: RunRecord) -> Headline:
    """The sentence; what is the kernel's comes before what is the lab's."""
    status = run_status(run)
    errors = f"{count(count_errors(run), 'error')} of the lab"
    if run.finished is None and status is ExitStatus.INFRASTRUCTURE:
        return Headline(
            "error odd", "…", f"Not finished: {count(len(run.results), 'result')} so far"
        )
    if status is ExitStatus.EXPECTED:
        return Headline("pass", "✓", f"All {len(run.results):,} as expected")
    if status is ExitStatus.USER:
        return Headline("error odd", "E", ", ".join(_no_word(run)))
    if status is ExitStatus.INFRASTRUCTURE:
        return Headline("error odd", "E", f"{errors}: no verdict on the kernel")
    return Headline("fail odd", "✗", ", ".join(_bad_news(run)))


def kernels_of(run: RunRecord) -> tuple[str, ...]:
    """What was tested, with the releases: as many as a heading can hold.

    Of a run without a record yet what is going to be.
    """
    if not run.jobs:
        planned = run.planned.jobs if run.planned is not None else ()
        releases = dict.fromkeys((str(job.variant) for job in planned), "")
    else:
        releases = {job.variant: job.kernel_release or "not built" for job in run.jobs}
    shown = list(releases.items())[:_MOST_KERNELS]
    after = [release for _, release in shown[1:]]
    named = [
        # Of one kernel's variants the last says it for all.
        variant if release == then else f"{variant} ({release})"
        for (variant, release), then in zip(shown, [*after, ""], strict=False)
    ]
    left = len(releases) - len(shown)
    return (*named, *([f"and {left} more"] if left else []))


def command_of(run: RunRecord) -> str:
    """The command, as one would type it."""
    return command_line(run.command)


def _bad_news(run: RunRecord) -> Iterator[str]:
    surprises = sum(map(is_unexpected, run.results))
    complaints = len(job_complaints(run))
    if surprises or not complaints:
        yield f"{surprises:,} of {len(run.results):,} not as expected"
    if complaints:
        yield f"{count(complaints, 'complaint')} of the kernel while no test ran"
    yield from _no_word(run)


def _no_word(run: RunRecord) -> Iterator[str]:
    if unbuilt := unbuilt_jobs(run):
        yield f"{count(len(unbuilt), 'kernel')} not built"
    if programs := uncompiled_programs(run):
        yield f"{', '.join(programs)} at fault"
    if errors := count_errors(run):
        yield f"{count(errors, 'error')} of the lab"


class _Site:
    """The pages of one report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._run = report.run
        self._nav = [("Tests", "index.html#tests"), ("Kernels", "kernels.html")]
        if report.series:
            self._nav.append(("Series", "series.html"))
        if report.bisected.records:
            self._nav.append(("Bisections", "bisections.html"))
        self._nav.append(("Plots", "plots.html"))
        self.variants = tuple(dict.fromkeys(job.record.variant for job in report.jobs))

    def _page(self, template: str, root: str, **values: Any) -> str:
        return render(f"{template}.html.j2", root=root, run=self._run, nav=self._nav, **values)

    def index(self) -> str:
        report = self._report
        comparison = report.comparison
        suites = dict.fromkeys(suite for suites in report.columns.values() for suite in suites)
        return self._page(
            "index",
            "",
            headline=headline(self._run),
            kernels=kernels_of(self._run),
            command=command_of(self._run),
            sub=self._sub(),
            tally=sorted(report.counts.items(), key=lambda pair: pair[0].rank),
            problems=list(problems(self._run, goes_on=report.goes_on)),
            given=[
                *((job.name, str(job.error)) for job in unbuilt_jobs(self._run)),
                *uncompiled_programs(self._run).items(),
            ],
            untold=[(job, told, told_page(told)) for job in report.jobs for told in job.untold],
            comparison=comparison,
            since=self._since(),
            notes=comparison.notes + comparison.troubles if comparison else (),
            same=count(comparison.counts[Change.SAME], "test") if comparison else "",
            changes=changed(report),
            surprises=unchanged_surprises(report),
            verdicts=[(series_page(name), found) for name, found in all_pairs(report)],
            bisections=self._bisection_links(report.bisected.records[:_MOST_BISECTIONS]),
            step_of=self._step_of(self._run.id),
            matrix=matrix(report, report.jobs),
            legend=legend(),
            tables=[(suite, suite_table(report, suite)) for suite in suites],
        )

    def _sub(self) -> list[str]:
        run = self._run
        parts = [when(run.started), took(run), count(len(run.jobs), "kernel")]
        evidence = {
            f"{job.evidence.accelerator}, QEMU {job.evidence.qemu_version.split(' ')[0]}"
            for job in run.jobs
            if job.evidence.accelerator
        }
        return [*parts, *sorted(evidence)]

    def _since(self) -> str:
        if self._report.comparison is None:
            return ""
        mine = self._report.comparison.a
        before = next((run for run in self._report.trail.runs if run.id == mine), None)
        if before is None:
            return ""
        apart = datetime.fromisoformat(self._run.started) - datetime.fromisoformat(before.started)
        return f"{when(before.started)}, {ago(apart.total_seconds())} earlier"

    def plots(self) -> str:
        report = self._report
        built = plots.builds(report.trail.runs)
        charts = [*metric_charts(jobs_apart(report.run).results), plots.boots(report.jobs), built]
        charts += [
            plots.kernel_history(report, variant, f"history-{number}")
            for number, variant in enumerate(self.variants)
        ]
        return self._page("plots", "", charts=[c for c in charts if c], builds=built is not None)

    def kernels(self) -> str:
        entries = []
        for variant in self.variants:
            cells = [c for c in self._report.cells if c.key.variant == variant]
            entries.append((variant, kernel_page(variant), tally(cells)))
        return self._page("list", "", title="Kernels", entries=entries)

    def all_series(self) -> str:
        entries = []
        for name in self._report.series:
            variants = [variant for variant in self.variants if name in variant.series]
            entries.append((name, series_page(name), count(len(variants), "kernel")))
        return self._page("list", "", title="Series", entries=entries)

    def bisections(self) -> str:
        links = self._bisection_links(self._report.bisected.records)
        return self._page("bisections", "", bisections=links)

    def bisection(self, record: BisectionRecord) -> str:
        return self._page(
            "bisection",
            "../",
            found=record,
            mark=state_mark(record),
            state_said=state_said(record),
            command=command_line(record.command),
            began=when(record.began) if record.began else "",
            steps=list(shown_steps(record, self._report.bisected)),
        )

    def step_run(self, run: str) -> str:
        record = self._report.bisected.load(run)
        return self._page(
            "run",
            "../",
            step=record,
            parents=self._step_of(run),
            sub=[when(record.started), took(record)],
            jobs=[(job, facts(job), *shown_results(job)) for job in record.jobs],
        )

    def _bisection_links(
        self, records: Sequence[BisectionRecord]
    ) -> list[tuple[Mark, str, BisectionRecord]]:
        return [(state_mark(record), bisection_page(record.id), record) for record in records]

    def _step_of(self, run: str) -> list[tuple[str, str]]:
        """The steps that a run is of, and where they are told."""
        return [
            (
                f"step {step.number} of bisection {record.id}",
                f"{bisection_page(record.id)}#step-{step.number}",
            )
            for record, step in self._report.bisected.steps_of(run)
        ]

    def kernel(self, variant: Variant) -> str:
        report = self._report
        jobs = [job for job in report.jobs if job.record.variant == variant]
        mine = [_only(run, variant) for run in report.trail.runs]
        return self._page(
            "kernel",
            "../",
            variant=variant,
            series=[(name, series_page(name)) for name in variant.series],
            matrix=matrix(report, jobs, "../"),
            history=plots.kernel_history(report, variant),
            boots=plots.boots(jobs),
            builds=plots.builds(mine),
            jobs=[(job, facts(job.record), log_links(job)) for job in jobs],
            job_told=[[(told, told_page(told)) for told in job.told] for job in jobs],
        )

    def series(self, name: str) -> str:
        report = self._report
        jobs = [job for job in report.jobs if name in job.record.variant.series]
        digests = {
            digest for job in jobs for n, digest in job.record.evidence.series_digests if n == name
        }
        variants = dict.fromkeys(job.record.variant for job in jobs)
        histories = [
            plots.kernel_history(report, variant, f"history-{number}")
            for number, variant in enumerate(variants)
        ]
        return self._page(
            "series",
            "../",
            name=name,
            digests=sorted(digests),
            pairs=[pair(report, job, name) for job in jobs],
            matrix=matrix(report, jobs, "../"),
            histories=[chart for chart in histories if chart],
            lines=shown_coverage(self._run),
            mutants=shown_mutants(self._run, name),
        )

    def test(self, suite: str, test: str) -> str:
        rows = self._report.tests[(suite, test)]
        cells = [(self._report.jobs[number], c) for (number, _), some in rows.items() for c in some]
        history = plots.history(self._report, suite, test)
        return self._page("test", "../", suite=suite, test=test, cells=cells, history=history)

    def group(self, job: Job, group: Group) -> str:
        span = job.logs.console_span(group.filesystem, group.suite)
        ordered = sorted(group.cells, key=lambda cell: not cell.mark.odd)
        return self._page(
            "group",
            "../",
            job=job,
            group=group,
            sub=[tally(group.cells), *proof(job, group.filesystem)],
            details=[ShownDetail.of(detail(self._report, job, group, cell)) for cell in ordered],
            span=ShownExcerpt.of(shortened(span)) if span else None,
            span_page=log_page(span.log.page, span.start) if span else "",
        )

    def log(self, job: Job, log: Log) -> str:
        hot = {told.excerpt.line for told in job.told if told.excerpt and told.excerpt.log is log}
        jumps = [(told.excerpt.line, told.title) for told in job.told
                 if told.excerpt and told.excerpt.log is log]  # fmt: skip
        ran = [(start, f"{suite} on {fs}") for (fs, suite, _), start, _ in log.spans]
        html, cut = log_html(log, hot, [line for line, _ in ran])
        jumps = [*jumps[:20], *ran]
        return self._page("log", "../", job=job, title=log.title, html=html, cut=cut, jumps=jumps)


def _only(run: RunRecord, variant: str) -> RunRecord:
    return replace(run, jobs=tuple(job for job in run.jobs if job.variant == variant))
