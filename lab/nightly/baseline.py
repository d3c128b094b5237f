# SPDX-License-Identifier: GPL-2.0-only
"""The last word on each test: what tonight is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lab.analysis.compare import results_of
from lab.analysis.repeated import pooled
from lab.errors import UserError
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.test_key import TestKey
from lab.nightly.state import Memory

if TYPE_CHECKING:
    from lab.results.store import Store

#: The baseline's name in the database: `lab compare nightly latest`.
BASELINE = "nightly"


@dataclass(frozen=True)
class Before:
    """Nights before this one, put together into one run without errors of the lab.

    An error that took the baseline's place would hide what comes after it: pass,
    error, fail is a regression, and neither night alone would say so.

    Args:
        runs: The run that has the last word on a test.
        setups: ``Evidence.setup`` of a test's last word.
        trees: The source's identity at a test's last word.
    """

    run: RunRecord
    runs: Mapping[TestKey, str] = field(default_factory=dict)
    setups: Mapping[TestKey, str] = field(default_factory=dict)
    trees: Mapping[TestKey, str] = field(default_factory=dict)

    def tree(self, key: TestKey) -> str:
        """What the last word on a test was said of; of a new one, what its job has last run."""
        jobs = (job for job in self.run.jobs if job.names == key.job)
        last = next((job.evidence.tree_identity for job in jobs), "")
        return self.trees.get(key, last)


def last_words(store: Store, memory: Memory) -> Before | None:
    """What is known of each test; None before the first nightly.

    A run that somebody else called the baseline counts alone.
    """
    baseline = store.baselines().get(BASELINE, memory.baseline)
    if not baseline:
        return None
    known = memory.known if baseline == memory.baseline else {}
    # Of a job that several have the last word on, the newest says what it was made of.
    runs = sorted(_runs(store, baseline, known), key=lambda run: (run == baseline, run))[::-1]
    return put_together(baseline, {run: store.load(run) for run in runs}, known)


def _runs(store: Store, baseline: str, known: Mapping[TestKey, str]) -> set[str]:
    recorded = store.known()
    if baseline not in recorded:
        raise UserError(
            f"the baseline {baseline} is not in the database",
            hint=f"lab baseline RUN --name {BASELINE}",
        )
    return {baseline, *known.values()} & recorded


def put_together(
    baseline: str, runs: Mapping[str, RunRecord], known: Mapping[TestKey, str]
) -> Before:
    """One run out of the baseline and of the runs that know better."""
    words: dict[TestKey, tuple[str, JobRecord, TestResult]] = {}
    for run_id, run in runs.items():
        for job in pooled(run).jobs:
            for result in results_of(job):
                key = TestKey.of(job, result)
                if known.get(key, baseline) == run_id and result.has_word:
                    words[key] = run_id, job, result
    jobs: dict[tuple[str, ...], JobRecord] = {}
    for key, (_, job, result) in words.items():
        # Without a build key no two setups are taken for one: whether a change is a flake
        # is for the reruns to say.
        evidence = replace(job.evidence, build_key="")
        empty = replace(job, evidence=evidence, results=(), complaints=(), error=None)
        made = jobs.setdefault(key.job, empty)
        jobs[key.job] = replace(made, results=(*made.results, result))
    return Before(
        replace(runs[baseline], jobs=tuple(jobs.values()), finished=runs[baseline].started),
        {key: run_id for key, (run_id, _, _) in words.items()},
        {key: job.evidence.setup for key, (_, job, _) in words.items()},
        {key: job.evidence.tree_identity for key, (_, job, _) in words.items()},
    )
