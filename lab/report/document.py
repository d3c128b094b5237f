# SPDX-License-Identifier: GPL-2.0-only
"""A run as JSON: what ``--json`` prints and ``results.json`` holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lab.analysis.repeated import Repeated, repeated
from lab.analysis.run_status import run_status
from lab.model.job_error import JobError
from lab.model.proof import DAX, proofs_of
from lab.model.records import Evidence, JobRecord, PlacedComplaint, RunRecord, TestResult


def to_json(run: RunRecord) -> dict[str, Any]:
    """The run as values the ``json`` module knows; ``run`` is its id.

    Fields of results: variant, machine, config, kernel_release, filesystem, suite, program, test,
    status, expected, as_expected, duration_s, message, reason, given, unrun, complaint,
    signal, broke_off, diagnostics, metrics,
    and ``job``, the place of their job in ``jobs``.

    ``repeated`` are the tests that ran more than once in a job: how often they were as
    expected, of how many times, and between which shares that is with 95 % confidence.
    """
    return {
        "run": run.id,
        "started": run.started,
        "finished": run.finished,
        "command": list(run.command),
        "lab_version": run.lab_version,
        "host": asdict(run.host),
        "folder": run.folder,
        "exit_status": int(run_status(run)),
        "problems": list(run.problems),
        "jobs": [_job(job) for job in run.jobs],
        "results": [
            _result(result, job, number)
            for number, job in enumerate(run.jobs)
            for result in job.results
        ],
        "repeated": [
            _repeated(one, number) for number, job in enumerate(run.jobs) for one in repeated(job)
        ],
    }


def _repeated(one: Repeated, job: int) -> dict[str, Any]:
    first, rate = one.first, one.rate
    return {
        "job": job,
        "filesystem": first.filesystem,
        "suite": first.suite,
        "program": first.program,
        "test": first.test,
        "as_expected": rate.count if rate else 0,
        "times": rate.total if rate else 0,
        "interval": list(rate.interval) if rate else None,
    }


def _job(job: JobRecord) -> dict[str, Any]:
    evidence = asdict(job.evidence)
    evidence |= _proofs(job.evidence)
    evidence["series_digests"] = dict(job.evidence.series_digests)
    return {
        "variant": job.variant,
        "kernel_release": job.kernel_release,
        "machine": job.machine,
        "config": job.config,
        "started": job.started,
        "duration_s": job.duration_s,
        "error": None if job.error is None else str(job.error),
        "given": job.users_fault,
        "failure": None if job.error is None else _failure(job.error),
        "complaints": [_noted(noted) for noted in job.complaints],
        "evidence": evidence,
    }


def _proofs(evidence: Evidence) -> dict[str, Any]:
    """What each filesystem promised and proved; ``dax`` by itself, as it was before others were."""
    proofs = {filesystem: proofs_of(evidence, filesystem) for filesystem, _ in evidence.proofs}
    return {
        "promises": {filesystem: list(names) for filesystem, names in evidence.promises},
        "proofs": proofs,
        "dax": {filesystem: found[DAX] for filesystem, found in proofs.items() if DAX in found},
    }


def _failure(error: JobError) -> dict[str, Any]:
    return {
        "what": error.what,
        "where": error.where,
        "hint": error.hint,
        "detail": error.detail,
        "fault": error.fault.value,
    }


def _noted(noted: PlacedComplaint) -> dict[str, Any]:
    complaint = asdict(noted.complaint)
    complaint["kind"] = noted.complaint.kind.value
    where = {"filesystem": noted.filesystem, "program": noted.program, "test": noted.test}
    return {**complaint, **where, "benign": noted.benign, "of_job": noted.of_job}


def _result(result: TestResult, job: JobRecord, number: int) -> dict[str, Any]:
    return {
        "variant": result.variant,
        "machine": job.machine,
        "config": job.config,
        "kernel_release": result.kernel_release,
        "filesystem": result.filesystem,
        "suite": result.suite,
        "program": result.program,
        "test": result.test,
        "status": result.status.value,
        "expected": result.expected.value,
        "as_expected": result.as_expected,
        "duration_s": result.duration_s,
        "message": result.message,
        "reason": result.reason,
        "given": result.users_fault,
        "unrun": None if result.unrun is None else result.unrun.value,
        "complaint": result.complaint,
        "signal": result.signal,
        "broke_off": result.broke_off,
        "diagnostics": list(result.diagnostics),
        "metrics": [
            {"name": metric.name, "labels": dict(metric.labels), "value": metric.value}
            for metric in result.metrics
        ],
        "job": number,
    }
