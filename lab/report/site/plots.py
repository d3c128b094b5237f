# SPDX-License-Identifier: GPL-2.0-only
"""The plots of a run and of those before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from lab.model.records import RunRecord
from lab.model.test_key import TestKey
from lab.report.site.chart import Bar, Chart, bars, strip
from lab.report.site.page_data import Job, Report
from lab.report.site.status_mark import Mark, mark
from lab.results.past_endings import End


def boots(jobs: Sequence[Job]) -> Chart | None:
    """From QEMU's start to the end of each job."""
    rows = [_boot(job) for job in jobs if job.record.evidence.timeline]
    if not rows:
        return None
    about = (
        "Seconds from QEMU's start to each mark the lab saw: the guest's ready line, the first "
        "answer over SSH. What comes after is the job itself."
    )
    return bars("boots", "Boot timelines", about, rows, "s")


def _boot(job: Job) -> Bar:
    parts, last = [], 0.0
    for name, at in job.record.evidence.timeline:
        parts.append((f"to {name}", last, max(at, last)))
        last = max(at, last)
    return Bar(job.name, tuple(parts), f"job: {job.record.duration_s:.1f} s")


def builds(runs: Iterable[RunRecord]) -> Chart | None:
    """The builds that these runs made."""
    rows = []
    for run in runs:
        for job in run.jobs:
            seconds = dict(job.evidence.cost).get("build_s")
            if seconds:
                part = ("build", 0.0, seconds)
                rows.append(Bar(f"{run.started[5:10]} {job.name}", (part,), run.id))
    if not rows:
        return None
    about = "Seconds of each build made for these runs; what came from the cache took none."
    return bars("builds", "Build times", about, rows[-40:], "s")


def history(report: Report, suite: str, test: str) -> Chart | None:
    """How a test ended in each run, a row for each kernel and filesystem."""
    ends = report.past.get((suite, test), {})
    runs = report.trail.runs
    if len(runs) < 2 or not ends:
        return None
    rows = [
        (_place(key), [_ended(found, n) for n in range(len(runs))]) for key, found in ends.items()
    ]
    about = "A column is a run, the oldest on the left; a row a kernel and filesystem."
    return strip("history", f"{test} in the last {len(runs)} runs", about, _dates(runs), rows)


def kernel_history(report: Report, variant: str, ident: str = "history") -> Chart | None:
    """What each run of a variant came to, a row for each filesystem and suite."""
    runs = report.trail.runs
    rows = report.past_of_suites.get(variant, {})
    if len(runs) < 2 or not rows:
        return None
    cells = [
        (" ".join([f"{suite} on {filesystem}", *around.words()]), list(map(_summed, counts)))
        for (filesystem, suite, around), counts in rows.items()
    ]
    about = "A column is a run, the oldest on the left; filled where anything was not as expected."
    return strip(ident, f"{variant} in the last {len(runs)} runs", about, _dates(runs), cells)


def _summed(counts: Counter[Mark]) -> tuple[str, str, str]:
    """The worst surprise; where there is none, what most tests did."""
    if not counts:
        return "", "", ""
    worst = min(counts, key=lambda found: found.rank)
    if not worst.odd:
        worst = counts.most_common(1)[0][0]
    words = ", ".join(f"{count} {found.word}" for found, count in counts.most_common())
    return worst.css, worst.sign, words


def _ended(ends: Iterable[End], run: int) -> tuple[str, str, str]:
    marks = [mark(end.status, end.expected) for end in ends if end.run == run]
    if not marks:
        return "", "", ""
    worst = min(marks, key=lambda found: found.rank)
    return worst.css, worst.sign, "; ".join(dict.fromkeys(each.word for each in marks))


def _place(key: TestKey) -> str:
    return f"{key.job_name} · {key.filesystem}"


def _dates(runs: Sequence[RunRecord]) -> list[str]:
    return [f"{run.started[5:10]} {run.started[11:16]}" for run in runs]
