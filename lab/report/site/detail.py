# SPDX-License-Identifier: GPL-2.0-only
"""One result in full: what it said, what the kernel said, and how to see it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from lab.analysis.test_names import own_name
from lab.model.metric import Metric
from lab.model.status import DEAD, Status
from lab.report.site.complaint import ShownComplaint
from lab.report.site.log import Excerpt, Log
from lab.report.site.page_data import Cell, Group, Job, Report, repro_command, test_command

_BEFORE, _AFTER = 6, 4
_CUT_SHORT = DEAD | {Status.ERROR}
_MOST_TOLD = 3
#: Shorter words stand in many lines.
_SHORTEST = 12


@dataclass(frozen=True)
class Detail:
    """A result as its group's page tells it."""

    cell: Cell
    told: tuple[ShownComplaint, ...]
    #: The lines of the console, or of what the program printed, that explain it.
    excerpts: tuple[Excerpt, ...]
    said: tuple[Log, int] | None
    test: str
    repro: str
    metrics: tuple[str, ...]


def detail(report: Report, job: Job, group: Group, cell: Cell) -> Detail:
    """Gather what explains one result.

    A pass needs no explanation; a complaint of the kernel's explains what did not pass
    in the suite that ran when it came; a dead guest is explained by its last words.
    """
    result = cell.result
    said = job.logs.result_line(result.filesystem, result.suite, own_name(result), result.program)
    told: tuple[ShownComplaint, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    if result.status is not Status.PASS:
        told = _told(job, group, cell)
        excerpts = _excerpts(job, cell, told, said)
    return Detail(
        cell,
        told,
        excerpts,
        said,
        test_command(cell),
        repro_command(report.run, job.number, cell),
        tuple(map(_metric, result.metrics)),
    )


def _told(job: Job, group: Group, cell: Cell) -> tuple[ShownComplaint, ...]:
    # What came during another test explains nothing of this one.
    mine = tuple(islice(job.told_about(group, own_name(cell.result)), _MOST_TOLD))
    if not mine and cell.result.status in _CUT_SHORT:
        mine = job.elsewhere[:_MOST_TOLD]
    return mine


def _excerpts(
    job: Job, cell: Cell, told: tuple[ShownComplaint, ...], said: tuple[Log, int] | None
) -> tuple[Excerpt, ...]:
    found = [
        each.excerpt.log.around(each.excerpt.line, _BEFORE, _length(each))
        for each in told
        if each.excerpt
    ]
    if not found and cell.result.status in _CUT_SHORT:
        found = _last_words(job, cell)
    if not found and said:
        log, number = said
        found = [log.around(number, _BEFORE, 0)]
    return tuple(_apart(found))


def _apart(excerpts: Iterable[Excerpt]) -> Iterator[Excerpt]:
    """Each excerpt whose line the ones before do not show already."""
    seen: set[tuple[str, int]] = set()
    for excerpt in excerpts:
        if (excerpt.log.page, excerpt.line) not in seen:
            yield excerpt
        seen.update((excerpt.log.page, n) for n in range(excerpt.start, excerpt.end + 1))


def _length(told: ShownComplaint) -> int:
    excerpt = told.excerpt
    return min(excerpt.end - excerpt.line, 40) + _AFTER if excerpt else _AFTER


def _last_words(job: Job, cell: Cell) -> list[Excerpt]:
    """The line that the message quotes; where there is none, the end of the console."""
    found = list(filter(None, map(job.logs.find, _quotes(cell.result.message))))
    if found:
        # In the first console that has any, of what is quoted first.
        place, number = min(found, key=lambda one: one[0])
        return [job.logs.consoles[place].around(number, _BEFORE, _AFTER)]
    span = job.logs.last_span(cell.result.filesystem, cell.result.suite)
    if span is not None:
        return [span.log.around(span.end, 2 * _BEFORE, 0)]
    log = next((log for log in reversed(job.logs.consoles) if log.lines), None)
    return [log.around(log.last, 2 * _BEFORE, 0)] if log else []


def _quotes(message: str) -> Iterator[str]:
    for words in message.replace(")", "(").split("("):
        quoted = words.removeprefix("the guest died: ").strip()
        if len(quoted) >= _SHORTEST:
            yield quoted


def _metric(metric: Metric) -> str:
    labels = " ".join(f"{key}={value}" for key, value in metric.labels)
    return f"{metric.name} {labels} {metric.value:g}"
