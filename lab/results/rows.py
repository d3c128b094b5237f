# SPDX-License-Identifier: GPL-2.0-only
"""Records as rows of the database's tables, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.model.job_error import Fault, JobError
from lab.model.metric import Metric
from lab.model.planned import Planned
from lab.model.records import Evidence, Host, JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.model.variant import Variant

#: A row of SQLAlchemy's, or what JSON has for an object: both looked up by name.
Row = Any
_STATUS = {status.value: status for status in Status}
_FAULT = {fault.value: fault for fault in Fault}
_UNRUN: dict[str, Unrun | None] = {"": None, **{kind.value: kind for kind in Unrun}}
#: What stands for JSON that is none any more.
DAMAGED: Any = object()
#: Of a run whose times nobody knows any more.
_NO_TIME = "1970-01-01T00:00:00+00:00"
_IS_DAMAGED = "its row in the database is damaged"


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
        "planned": None if run.planned is None else asdict(run.planned),
    }


def job_row(job: JobRecord) -> dict[str, Any]:
    """A job without its results."""
    return {
        "variant": str(job.variant),
        "kernel_release": job.kernel_release,
        "machine": job.machine,
        "config": job.config,
        "started": job.started,
        "duration_s": job.duration_s,
        "evidence": {
            **_evidence().dump_python(job.evidence, mode="json"),
            # Nobody asks the database for them: no column of their own.
            "complaints": _noted().dump_python(job.complaints, mode="json"),
            "failure": None if job.error is None else asdict(job.error),
        },
        "error": None if job.error is None else str(job.error),
        "setup": job.evidence.setup,
        "fault": job.fault or "",
    }


def result_row(result: TestResult) -> dict[str, Any]:
    """A result, its job's number aside."""
    row = {field.name: getattr(result, field.name) for field in fields(result)}
    row["given"] = row.pop("users_fault")
    row |= {
        "variant": str(result.variant),
        "status": result.status.value,
        "expected": result.expected.value,
        "diagnostics": list(result.diagnostics),
        "metrics": [asdict(metric) for metric in result.metrics],
        "unrun": result.unrun or "",
    }
    return row


def run_of(row: Row) -> RunRecord:
    """A run without its jobs."""
    command, plan = (_texts(row[name]) for name in ("command", "plan"))
    host = _host(row["host"])
    planned = _planned_of(row["planned"])
    started, finished = (_time(row[name]) for name in ("started", "finished"))
    lost = {
        "command": command is None,
        "plan": plan is None,
        "host": host is None,
        "planned": planned is None and row["planned"] is not None,
        "started": started is None,
        "finished": finished is None and row["finished"] is not None,
    }
    names = [name for name, is_lost in lost.items() if is_lost]
    return RunRecord(
        id=text_of(row["id"]),
        started=started or finished or _NO_TIME,
        finished=(started or _NO_TIME) if lost["finished"] else finished,
        command=command or (),
        lab_version=text_of(row["lab_version"]),
        host=host or Host(),
        plan=plan or (),
        folder=text_of(row["folder"]),
        planned=planned,
        troubles=(f"{_IS_DAMAGED}: {', '.join(names)}",) if names else (),
    )


def text_of(value: Any) -> str:
    """Text of a row; "" where SQLite holds something else there."""
    return value if isinstance(value, str) else ""


def _time(value: Any) -> str | None:
    """A time as the lab writes it, which says how far from UTC it is; None for anything else."""
    try:
        at = datetime.fromisoformat(text_of(value))
        return text_of(value) if at.utcoffset() is not None else None
    except ValueError:
        return None


def _texts(value: Any) -> tuple[str, ...] | None:
    whole = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return tuple(value) if whole else None


def _planned_of(value: Any) -> Planned | None:
    try:
        return None if value is None else _planned().validate_python(value)
    except ValidationError:
        return None


def _host(value: Any) -> Host | None:
    try:
        return Host(int(value["cpus"]), str(value["name"]), str(value["system"]))
    except (TypeError, ValueError, LookupError, OverflowError):
        return None


def job_of(row: Row, results: tuple[TestResult, ...] = ()) -> JobRecord:
    """A job with these results."""
    stored = row["evidence"]
    error = _error_of(row, evidence_of(stored))
    try:
        evidence = _evidence().validate_python(stored)
        complaints = _noted().validate_python(stored.get("complaints", ()))
    except (ValidationError, AttributeError):
        # What the kernel complained of is lost with it: its passes are not earned any more.
        evidence, complaints = Evidence(), ()
        error = error or JobError(f"{_IS_DAMAGED}: what its kernel complained of is not known")
    return JobRecord(
        variant=Variant(text_of(row["variant"])),
        kernel_release=text_of(row["kernel_release"]),
        machine=text_of(row["machine"]),
        config=text_of(row["config"]),
        started=text_of(row["started"]),
        duration_s=number_of(row["duration_s"]),
        evidence=evidence,
        results=results,
        error=error,
        complaints=complaints,
    )


def _error_of(row: Row, evidence: Row) -> JobError | None:
    """A job's error; of one that an older lab recorded there is the text alone."""
    if row["error"] is None:
        return None
    try:
        return _failure().validate_python(evidence.get("failure"))
    except ValidationError:
        fault = _FAULT.get(text_of(row["fault"]), Fault.MACHINE)
        return JobError.of_text(text_of(row["error"]), fault)


def number_of(value: Any) -> float:
    """A number of a row; 0 where SQLite holds something else there."""
    return value if isinstance(value, float | int) else 0.0


def evidence_of(stored: Any) -> Row:
    """A job's evidence as it is stored; nothing where that is damaged."""
    return stored if isinstance(stored, dict) else {}


def end_of(status: Any, expected: Any) -> tuple[Status, Status]:
    """How a test ended and was to end; an error of the lab's where nobody can say."""
    try:
        return _STATUS[status], _STATUS[expected]
    except (KeyError, TypeError):
        return Status.ERROR, Status.PASS


def job_complaints_in(evidence: Row) -> int:
    """How many complaints of a job's evidence are as PlacedComplaint.of_job says.

    One where that is damaged: what nobody can read is not as expected.
    """
    try:
        return _complaints_in(evidence)
    except (AttributeError, TypeError, LookupError):
        return 1


def _complaints_in(evidence: Row) -> int:
    return sum(not one["program"] and not one["benign"] for one in evidence.get("complaints", ()))


def result_of(row: Row) -> TestResult:
    """A result, from a row in the order of RESULT_COLUMNS: ten thousand are made at a time.

    One that is damaged is an error of the lab's: there, and no word on the kernel.
    """
    try:
        return _result_of(row)
    except (KeyError, TypeError, ValueError, OverflowError):
        return _damaged(row)


def _damaged(row: Row) -> TestResult:
    variant, release, filesystem, suite, test, _, _, _, _, _, program, *_ = row
    return TestResult(
        text_of(variant),
        text_of(release),
        text_of(filesystem),
        text_of(suite),
        text_of(test),
        Status.ERROR,
        message=_IS_DAMAGED,
        program=text_of(program),
    )


def _result_of(row: Row) -> TestResult:
    variant, release, filesystem, suite, test, status, expected, *rest = row
    duration_s, message, reason, program, complaint, signal, *more = rest
    broke_off, users_fault, unrun, diagnostics, metrics = more
    # SQLite keeps whatever it is given, whatever the column's type.
    "".join((variant, release, filesystem, suite, test, message, reason, program))
    "".join((complaint, signal, broke_off))
    if diagnostics:
        _refuse_if_no_lines(diagnostics)
    return TestResult(
        variant,
        release,
        filesystem,
        suite,
        test,
        status=_STATUS[status],
        expected=_STATUS[expected],
        duration_s=duration_s + 0.0,
        message=message,
        diagnostics=tuple(diagnostics) if diagnostics else (),
        metrics=tuple(_metric(metric) for metric in metrics) if metrics else (),
        reason=reason,
        program=program,
        users_fault=users_fault,
        unrun=_UNRUN[unrun],
        complaint=complaint,
        signal=signal,
        broke_off=broke_off,
    )


RESULT_COLUMNS = (
    "variant", "kernel_release", "filesystem", "suite", "test", "status", "expected",
    "duration_s", "message", "reason", "program", "complaint", "signal", "broke_off",
    "given", "unrun", "diagnostics", "metrics",
)  # fmt: skip


def _refuse_if_no_lines(diagnostics: Any) -> None:
    if type(diagnostics) is not list:
        raise TypeError("no list")
    "".join(diagnostics)


def _metric(metric: Row) -> Metric:
    labels = tuple((key, value) for key, value in metric["labels"])
    "".join((metric["name"], *(text for pair in labels for text in pair)))
    return Metric(metric["name"], labels, metric["value"] + 0.0)


@cache
def _noted() -> TypeAdapter[tuple[PlacedComplaint, ...]]:
    return TypeAdapter(tuple[PlacedComplaint, ...])


@cache
def _planned() -> TypeAdapter[Planned]:
    return TypeAdapter(Planned)


@cache
def _failure() -> TypeAdapter[JobError]:
    return TypeAdapter(JobError)


@cache
def _evidence() -> TypeAdapter[Evidence]:
    # Fields may be added to it without a change of the schema.
    return TypeAdapter(Evidence)
