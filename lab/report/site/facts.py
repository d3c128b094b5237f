# SPDX-License-Identifier: GPL-2.0-only
"""Short facts in words: what ran, on what, when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from lab.analysis.run_status import is_lab_error
from lab.model.proof import in_words, promised, proofs_of
from lab.model.records import NOTHING_RAN, UNFINISHED, JobRecord, RunRecord
from lab.report.site.complaint import ShownComplaint
from lab.report.site.page_data import Cell, Job, log_page
from lab.report.site.page_names import count

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def when(time: str) -> str:
    """``25 Nov 2026 07:03 UTC``."""
    return f"{datetime.fromisoformat(time):%-d %b %Y %H:%M} UTC"


def took(run: RunRecord) -> str:
    """How long a run took, if it finished."""
    if run.finished is None:
        return "NOT FINISHED"
    start, end = (datetime.fromisoformat(time) for time in (run.started, run.finished))
    return ago((end - start).total_seconds())


def ago(span_s: float) -> str:
    """A span of time, to one unit."""
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if span_s >= 2 * unit:
            return count(round(span_s / unit), name)
    return count(round(span_s), "second")


def tally(cells: Iterable[Cell]) -> str:
    """``36 pass, 12 fail, as expected``, the worst first."""
    counted = Counter(cell.mark for cell in cells)
    ordered = sorted(counted.items(), key=lambda pair: pair[0].rank)
    return "; ".join(f"{number} {found.word}" for found, number in ordered)


#: What a run lacks before its end, and is no trouble while it goes on.
AWAITED = frozenset({UNFINISHED, NOTHING_RAN})


def problems(run: RunRecord, *, goes_on: bool = False) -> Iterator[tuple[str, str]]:
    """What the lab could not do: (what, the whole message)."""
    for text in run.problems:
        if not (goes_on and text in AWAITED):
            yield text, ""
    for job in run.jobs:
        if job.lab_error is not None:
            yield job.name, str(job.lab_error)
    alike = Counter(
        (job.name, result.filesystem, result.message)
        for job in run.jobs
        for result in job.results
        if is_lab_error(result)
    )
    for (name, filesystem, message), number in alike.items():
        yield f"{name} on {filesystem}: {count(number, 'test')}", message


def proof(job: Job, filesystem: str) -> list[str]:
    """What proved that the filesystem was what it promised to be."""
    evidence = job.record.evidence
    if not promised(evidence, filesystem):
        return ["promised nothing that had to be proved"]
    found = proofs_of(evidence, filesystem).items()
    shown = ((in_words(name), _shown(said)) for name, said in found)
    return [f"{name}: {text}" for name, text in shown if text]


def _shown(said: Mapping[str, str]) -> str:
    """How it was mounted, or what else counted."""
    named = [f"{name} {said[name]}" for name in ("mount", "statx_dax") if said.get(name)]
    return ", ".join(named) or said.get("proved_by", "")


def facts(record: JobRecord) -> list[tuple[str, str]]:
    """What it takes to have the same again."""
    evidence = record.evidence
    named = [
        ("tree", evidence.tree_identity),
        ("signature", evidence.tree_signature),
        ("series", ", ".join(f"{name} {digest[:12]}" for name, digest in evidence.series_digests)),
        ("config", f"{record.config} {evidence.config_digest[:12]}".strip()),
        ("compiler", evidence.compiler),
        ("build", evidence.build_key),
        ("machine", f"{record.machine}: {evidence.machine_description}"),
        ("QEMU", evidence.qemu_version),
        ("host", evidence.host),
        ("command line", evidence.cmdline),
    ]
    return [(name, value) for name, value in named if value]


def log_links(job: Job) -> list[tuple[str, str]]:
    """The job's logs and their pages."""
    return [(log.title, log_page(log.page)) for log in job.logs.all]


def told_page(told: ShownComplaint) -> str:
    """Where a complaint stands on a console."""
    return log_page(told.excerpt.log.page, told.excerpt.line) if told.excerpt else ""
