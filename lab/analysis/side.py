# SPDX-License-Identifier: GPL-2.0-only
"""One side of a comparison: a run, or what a run has of one variant."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.errors import UserError
from lab.model.records import JobRecord, RunRecord
from lab.model.spelling import suggestion
from lab.model.variant import Variant
from lab.results.store import Store


@dataclass(frozen=True)
class Side:
    """``RUN`` or ``RUN:VARIANT``, as somebody asks for it; ``variant`` is "" for all of them."""

    run: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str, store: Store, otherwise: str = "") -> Side:
        """Read one; ``otherwise`` is the variant of a side that names none.

        A name that a run bears may have a ":" in it, as no variant has.
        """
        if text in store.baselines():
            return cls(text, otherwise)
        run, _, variant = text.partition(":")
        return cls(run or "latest", variant or otherwise)

    def load(self, store: Store) -> RunRecord:
        """The run, with the jobs that are of this side.

        Raises:
            UserError: There is no such run, or it has no such variant.
        """
        run = store.load(self.run, details=False)
        if not self.variant:
            return run
        jobs = tuple(job for job in run.jobs if job.variant == self.variant)
        if not jobs:
            known = tuple(dict.fromkeys(job.variant for job in run.jobs))
            raise UserError(
                f"run {run.id} has no variant {self.variant!r}",
                where=run.folder or None,
                hint=suggestion(self.variant, known) or "lab runs",
            )
        return replace(run, id=f"{run.id}:{self.variant}", jobs=jobs)


def as_one_variant(
    a: RunRecord, b: RunRecord, sides: tuple[Side, Side]
) -> tuple[RunRecord, RunRecord]:
    """Two runs whose variants are compared with each other, whatever each is called."""
    names = [side.variant for side in sides]
    if not all(names) or names[0] == names[1]:
        return a, b
    name = " → ".join(names)
    return _called(name, a), _called(name, b)


def _called(name: str, run: RunRecord) -> RunRecord:
    return replace(run, jobs=tuple(_job_called(name, job) for job in run.jobs))


def _job_called(name: str, job: JobRecord) -> JobRecord:
    results = tuple(replace(result, variant=name) for result in job.results)
    return replace(job, variant=Variant(name), results=results)
