# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a series on all kernels that it was verified on, kept as they are known."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from lab.analysis.equivalent import load_equivalents, with_equivalents
from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.analysis.series_verdict import Verification
from lab.builder import Builder
from lab.errors import ExitStatus
from lab.execution.cluster.asked import kernels_made_here
from lab.execution.mutate import Question, mutate, why_not
from lab.model.variant import Variant
from lab.mutants.mutant import Kind, Mutant
from lab.plan import SeriesPlan
from lab.process.stored import read_stored
from lab.report.mutants import mutants_to_json
from lab.results import RunFolder, write_json
from lab.unforeseen import as_lab_error

#: Runs that are looked at for one that was cut short.
_MOST_RUNS = 10
#: Characters of a change, and of what noticed it, in a line of progress.
_SHOWN = 60


@dataclass
class MutantReport:
    """What became of the mutants, on each kernel.

    Attributes:
        folder: The run's.
    """

    series: str
    folder: RunFolder
    scores: list[MutantScore] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def document(self) -> dict[str, Any]:
        """The same for programs."""
        run, finished = self.folder.run_id, self.finished
        return mutants_to_json(self.series, run, self.scores, finished=finished)

    @property
    def finished(self) -> bool:
        """Whether nothing is left for another call to go on with."""
        return not any(score.lost for score in self.scores)

    @property
    def status(self) -> ExitStatus:
        """A survivor is a test that is missing, and no fault of the patch's: it changes nothing."""
        lost = any(score.lost or score.count(Fate.ERROR) for score in self.scores)
        return ExitStatus.INFRASTRUCTURE if lost else ExitStatus.EXPECTED

    def keep(self, so_far: MutantScore | None = None) -> None:
        """Write what is known: a kill loses none of it."""
        scores = [*self.scores, *([] if so_far is None else [so_far])]
        finished = so_far is None and self.finished
        document = mutants_to_json(self.series, self.folder.run_id, scores, finished=finished)
        write_json(self.folder.mutants, document)


def try_mutants(
    builder: Builder, plan: SeriesPlan, verification: Verification, most: int
) -> MutantReport:
    """Try the mutants of a series on each kernel where it was verified.

    What another call, that was cut short, had tried of the very same is not tried again.
    """
    said = load_equivalents(builder.loaded.root / "patches", plan.series)
    run = verification.run
    report = MutantReport(plan.series, RunFolder(builder.loaded.results, run.id if run else ""))
    jobs = run.by_variant() if run else {}
    for number, verdict in enumerate(verification.kernels):
        kernel = Variant.parse(verdict.kernel)
        why = why_not(verdict)
        if why or kernel not in jobs:
            report.scores.append(MutantScore(verdict.kernel, why=why or "it was not tested"))
            continue
        question = Question(plan, kernel, verdict, jobs[kernel], jobs[plan.patched(kernel)])
        score = _tried(builder, question, report, number, most)
        report.scores.append(with_equivalents(score, said))
    if run:
        report.keep()
    return report


def _tried(
    builder: Builder, question: Question, report: MutantReport, number: int, most: int
) -> MutantScore:
    key = _key(question)
    score = MutantScore(str(question.kernel), key)
    if where := kernels_made_here(builder.loaded):
        builder.listener.say(f"{question.kernel}: {where}")
    known = known_before(report, key)
    if known:
        builder.listener.say(f"{question.kernel}: {len(known)} mutants were tried by a call before")

    def tell(result: MutantResult) -> None:
        nonlocal score
        with report.lock:
            score = replace(score, results=(*score.results, result))
            report.keep(score)
        where, change = result.mutant.where, result.mutant.change[:_SHOWN]
        builder.listener.say(f"{question.kernel}: {where}: {change}: {_said(result)}")

    folder = report.folder.mutant_guests(number)
    try:
        found = mutate(builder, question, folder, most, known=known, tell=tell)
    except Exception as error:
        return replace(score, why=as_lab_error(error).what, lost=True)
    return replace(found, key=key)


def _said(result: MutantResult) -> str:
    return f"{result.fate}: {result.why[:_SHOWN]}" if result.why else str(result.fate)


def _key(question: Question) -> str:
    """Changes with either kernel, and with all that their results depend on."""
    evidence = question.base.evidence, question.patched.evidence
    parts = [part for each in evidence for part in (each.build_key, each.setup)]
    planned = json.dumps(question.planned.to_json(), sort_keys=True)
    return hashlib.sha256("\0".join((*parts, planned)).encode()).hexdigest()[:24]


def known_before(report: MutantReport, key: str) -> dict[str, MutantResult]:
    """What the newest call of the same that was cut short knew, by the mutants' digests."""
    folders = sorted(report.folder.results.glob("*/mutants.json"), reverse=True)[:_MOST_RUNS]
    for path in folders:
        document = read_stored(path, dict[str, Any])
        if document is None or document.get("finished"):
            continue
        # Whatever is damaged there is done anew.
        with suppress(KeyError, ValueError, TypeError, AttributeError):
            for kernel in document["kernels"]:
                if kernel["key"] == key:
                    return dict(_rows(kernel["mutants"]))
    return {}


def _rows(rows: Any) -> Iterator[tuple[str, MutantResult]]:
    for row in rows:
        mutant = Mutant(
            row["file"], row["line"], Kind(row["kind"]), row["before"], row["after"], b"", b""
        )
        fate, why = Fate(row["fate"]), row["why"]
        if fate is Fate.EQUIVALENT:
            fate, why = Fate.SURVIVED, ""  # what is said of it now is what counts
        if fate is not Fate.ERROR:
            yield row["digest"], MutantResult(row["number"], mutant, fate, why, tuple(row["ran"]))
