# SPDX-License-Identifier: GPL-2.0-only
"""Records as rows of the database's tables, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from lab.config.model import Status
from lab.results.record import Evidence, Host, JobRecord, Noted, RunRecord, TestResult
from lab.suites.metric import Metric

#: A row of SQLAlchemy's, or what JSON has for an object: both looked up by name.
Row = Any
_STATUS = {status.value: status for status in Status}


def run_row(run: RunRecord) -> dict[str, Any]:
    """A run without its jobs."""
    return {
        "id": run.id,
        "started": run.started,
        "finished": run.finished,
        "command": list(run.command),
        "lab_version": run.lab_version,
        "host": asdict(run.host),
        "plan": list(run.plan),
        "folder": run.folder,
    }


def job_row(job: JobRecord) -> dict[str, Any]:
    """A job without its results."""
    return {
        "variant": job.variant,
        "kernel_release": job.kernel_release,
        "machine": job.machine,
        "config": job.config,
        "started": job.started,
        "duration_s": job.duration_s,
        "evidence": {
            **_evidence().dump_python(job.evidence, mode="json"),
            # Nobody asks the database for them: no column of their own.
            "complaints": _noted().dump_python(job.complaints, mode="json"),
            "given": job.given,
        },
        "error": job.error,
        "setup": job.evidence.setup,
    }


def result_row(result: TestResult) -> dict[str, Any]:
    """A result, its job's number aside."""
    row = {field.name: getattr(result, field.name) for field in fields(result)}
    row |= {
        "status": result.status.value,
        "expected": result.expected.value,
        "diagnostics": list(result.diagnostics),
        "metrics": [asdict(metric) for metric in result.metrics],
    }
    return row


def run_of(row: Row) -> RunRecord:
    """A run without its jobs."""
    return RunRecord(
        id=row["id"],
        started=row["started"],
        finished=row["finished"],
        command=tuple(row["command"]),
        lab_version=row["lab_version"],
        host=Host(**row["host"]),
        plan=tuple(row["plan"]),
        folder=row["folder"],
    )


def job_of(row: Row, results: tuple[TestResult, ...] = ()) -> JobRecord:
    """A job with these results."""
    return JobRecord(
        variant=row["variant"],
        kernel_release=row["kernel_release"],
        machine=row["machine"],
        config=row["config"],
        started=row["started"],
        duration_s=row["duration_s"],
        evidence=_evidence().validate_python(row["evidence"]),
        results=results,
        error=row["error"],
        complaints=_noted().validate_python(row["evidence"].get("complaints", ())),
        given=row["evidence"].get("given", False),
    )


def job_complaints_in(evidence: Row) -> int:
    """How many complaints of a job's evidence are as Noted.of_job says."""
    return sum(not one["program"] and not one["benign"] for one in evidence.get("complaints", ()))


def result_of(row: Row) -> TestResult:
    """A result, from a row in the order of RESULT_COLUMNS: ten thousand are made at a time."""
    variant, release, filesystem, suite, test, status, expected, *rest = row
    duration_s, message, reason, program, given, diagnostics, metrics = rest
    return TestResult(
        variant,
        release,
        filesystem,
        suite,
        test,
        status=_STATUS[status],
        expected=_STATUS[expected],
        duration_s=duration_s,
        message=message,
        diagnostics=tuple(diagnostics) if diagnostics else (),
        metrics=tuple(_metric(metric) for metric in metrics) if metrics else (),
        reason=reason,
        program=program,
        given=given,
    )


RESULT_COLUMNS = (
    "variant", "kernel_release", "filesystem", "suite", "test", "status", "expected",
    "duration_s", "message", "reason", "program", "given", "diagnostics", "metrics",
)  # fmt: skip


def _metric(metric: Row) -> Metric:
    labels = tuple((key, value) for key, value in metric["labels"])
    return Metric(metric["name"], labels, metric["value"])


@cache
def _noted() -> TypeAdapter[tuple[Noted, ...]]:
    return TypeAdapter(tuple[Noted, ...])


@cache
def _evidence() -> TypeAdapter[Evidence]:
    # Fields may be added to it without a change of the schema.
    return TypeAdapter(Evidence)
