# SPDX-License-Identifier: GPL-2.0-only
"""Runs whose folder is there and whose record is not: killed at the start, database away."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.model.job_error import JobError
from lab.model.records import JobRecord, RunRecord
from lab.model.variant import Variant
from lab.process.stored import read_stored
from lab.results.folder import RunFolder
from lab.results.job_file import read_job

if TYPE_CHECKING:
    from lab.results.store import Store

#: What new_run_id() makes.
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4,}")


@dataclass(frozen=True)
class Unrecorded:
    """A run that only its folder tells of."""

    folder: RunFolder
    running: bool
    jobs: int
    finished: bool

    @property
    def why(self) -> str:
        """What became of it, as far as can be seen."""
        if self.running:
            return "just starting"
        if self.finished:
            return "the database could not be written"
        return "killed at its start" if not self.jobs else "killed, and the database not written"

    def line(self) -> str:
        """The run in a line."""
        hint = "" if self.running or not self.jobs else "; lab runs --recover records it"
        return f"{self.folder.run_id}  NOT RECORDED ({self.why}{hint})"

    def to_json(self) -> dict[str, Any]:
        """The run as values the ``json`` module knows."""
        return {
            "run": self.folder.run_id,
            "folder": str(self.folder.path),
            "running": self.running,
            "jobs": self.jobs,
            "why": self.why,
        }


def unrecorded(results: Path, known: Collection[str]) -> tuple[Unrecorded, ...]:
    """The runs below ``results`` that are not ``known``, the latest first."""
    folders = (RunFolder(results, name) for name in sorted(_names(results), reverse=True))
    return tuple(
        Unrecorded(
            folder,
            folder.is_running(),
            len(list(folder.jobs.glob("*/job.json"))),
            folder.document.is_file(),
        )
        for folder in folders
        if folder.run_id not in known
    )


def newest_folder(results: Path) -> RunFolder | None:
    """The folder of the run that began last."""
    name = max(_names(results), default=None)
    return None if name is None else RunFolder(results, name)


def _names(results: Path) -> Iterator[str]:
    if results.is_dir():
        for path in results.iterdir():
            if _RUN_ID.fullmatch(path.name) and (path / "run").is_dir():
                yield path.name


def recover(store: Store, found: Unrecorded) -> RunRecord | None:
    """Record a run from its folder; None when the folder does not say enough.

    Raises:
        InfrastructureError: The database cannot be written.
    """
    folder = found.folder
    run = read_stored(folder.record, RunRecord)
    if run is None or found.running:
        return None
    jobs = [_job(path) for path in sorted(folder.jobs.glob("*/job.json"))]
    store.begin(run)
    for job in jobs:
        store.add_job(run.id, job)
    if ended := _ended(folder.document):
        store.finish(run.id, ended)
    return store.load(run.id)


def _job(path: Path) -> JobRecord:
    """A job's record; one that cannot be read is an error, or nobody would miss it."""
    if job := read_job(path):
        return job
    # The folder is called NUMBER-VARIANT.
    variant = path.parent.name.partition("-")[2]
    return JobRecord(
        Variant(variant), "", "", "", "", 0.0, error=JobError(f"its record cannot be read: {path}")
    )


def _ended(document: Path) -> str | None:
    finished = (read_stored(document, dict[str, Any]) or {}).get("finished")
    return finished if isinstance(finished, str) else None
