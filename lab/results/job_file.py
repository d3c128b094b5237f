# SPDX-License-Identifier: GPL-2.0-only
"""A job's record as a file of its run's folder."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.model.records import JobRecord
from lab.process.stored import read_stored
from lab.results.older import (
    broke_off_of,
    complaint_of,
    error_of,
    evidence_of,
    signal_of,
    unrun_of,
)

#: The error's parts; ``error`` is its text, which is all that older labs wrote.
_PARTS = "failure"
#: Whether an error, a job's or a test's, lies in what the lab was given.
_FAULT = "given"


def job_document(job: JobRecord) -> dict[str, Any]:
    """The record as values the ``json`` module knows."""
    document = asdict(job)
    for result in document["results"]:
        result[_FAULT] = result.pop("users_fault")
    return {
        **document,
        "error": None if job.error is None else str(job.error),
        _FAULT: job.users_fault,
        _PARTS: document["error"],
    }


def read_job(path: Path) -> JobRecord | None:
    """The record in a file; None when there is none, or it is none of the lab's."""
    document = read_stored(path, dict[str, Any])
    if document is None:
        return None
    try:
        return _adapter().validate_python(_with_parts(document))
    except (ValidationError, AttributeError, TypeError):
        return None


def _with_parts(document: dict[str, Any]) -> dict[str, Any]:
    document = {**document, "evidence": evidence_of(document.get("evidence"))}
    users_fault = document.pop(_FAULT, False)
    results = [_result_with_values(result) for result in document.get("results", ())]
    document["results"] = results
    if _PARTS in document:
        return {**document, "error": document[_PARTS]}
    results = [{**result, "unrun": unrun_of(result)} for result in results]
    error = error_of(document.get("error"), users_fault=users_fault)
    return {**document, "error": error, "results": results}


def _result_with_values(result: dict[str, Any]) -> dict[str, Any]:
    told = {
        "complaint": complaint_of(result),
        "signal": signal_of(result),
        "broke_off": broke_off_of(result),
        **result,
    }
    return {**told, "users_fault": told.pop(_FAULT, False)}


@cache
def _adapter() -> TypeAdapter[JobRecord]:
    return TypeAdapter(JobRecord)
