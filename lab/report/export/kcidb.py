# SPDX-License-Identifier: GPL-2.0-only
"""A recorded run as KCIDB's JSON, schema 5.3 (https://github.com/kernelci/kcidb-io)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from lab.analysis.test_names import own_name
from lab.arch import ARCH
from lab.errors import UserError
from lab.model.proof import proof_lines
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.tree_identity import TreeIdentity
from lab.report.export.forms import Place

_VERSION = {"major": 5, "minor": 3}
_ORIGIN = re.compile(r"[a-z0-9_]+")
#: The test's own code failed.
_STOPPED = "ERROR"
_MOST = 16384
_COMMIT = re.compile(r"[0-9a-f]{40}")


def kcidb_text(run: RunRecord, place: Place) -> str:
    """The run as a document of KCIDB's; raises UserError for an origin that it does not take."""
    return json.dumps(kcidb_document(run, place.origin), indent=1) + "\n"


def kcidb_document(run: RunRecord, origin: str) -> dict[str, Any]:
    """Checkouts, builds and tests; a result is as it was, whatever was expected.

    Raises:
        UserError: KCIDB takes no such origin.
    """
    if not _ORIGIN.fullmatch(origin):
        raise UserError(
            f"{origin!r} cannot be KCIDB's name of a lab", hint="lower-case letters, digits and _"
        )
    document: dict[str, Any] = {"version": _VERSION, "checkouts": [], "builds": [], "tests": []}
    for number, job in enumerate(run.jobs):
        name = f"{origin}:{run.id}.{number}"
        document["checkouts"].append(_checkout(run, job, name, origin))
        document["builds"].append(_build(job, name, origin))
        document["tests"].extend(_tests(job, name, origin))
    return document


def _checkout(run: RunRecord, job: JobRecord, name: str, origin: str) -> dict[str, Any]:
    evidence = job.evidence
    checkout: dict[str, Any] = {
        "id": name,
        "origin": origin,
        "comment": _text(job.name),
        "start_time": run.started,
        "misc": {
            "variant": job.variant,
            "machine": job.machine,
            "config": job.config,
            "tree": evidence.tree_identity,
            "series": dict(evidence.series_digests),
        },
    }
    # patchset_hash is defined over the patch files, which the record does not hold.
    if not evidence.series_digests:
        checkout["patchset_hash"] = ""
    tree = TreeIdentity(evidence.tree_identity)
    commit = _COMMIT.search(tree.digest)
    if commit and tree.kind == "git":
        checkout["git_commit_hash"] = commit[0]
    return checkout


def _build(job: JobRecord, name: str, origin: str) -> dict[str, Any]:
    evidence = job.evidence
    build: dict[str, Any] = {
        "id": name,
        "checkout_id": name,
        "origin": origin,
        "architecture": ARCH.name,
        "config_name": _text(job.config),
        "misc": {
            "key": evidence.build_key,
            "config_digest": evidence.config_digest,
            "kernel_release": job.kernel_release,
        },
    }
    if evidence.compiler:
        build["compiler"] = _text(evidence.compiler)
    if evidence.build_key:
        build["status"] = "PASS"
    elif job.error is not None:
        # The lab does not say whether the kernel or the machine is to blame.
        build |= {"status": "MISS", "log_excerpt": _text(str(job.error))}
    seconds = dict(evidence.cost).get("build_s")
    return build if seconds is None else {**build, "duration": seconds}


def _tests(job: JobRecord, name: str, origin: str) -> Iterator[dict[str, Any]]:
    environment = {
        "comment": _text(job.evidence.machine_description or job.machine),
        "misc": {
            "machine": job.machine,
            "qemu": job.evidence.qemu_version,
            "accelerator": job.evidence.accelerator,
            "cmdline": job.evidence.cmdline,
            "proofs": dict(proof_lines(job.evidence)),
        },
    }
    for number, result in enumerate(job.results):
        yield _test(result, f"{name}.{number}", name, origin) | {
            "environment": environment,
            "start_time": job.started,
        }
    of_job: list[tuple[str, str, str, str]] = [
        (f"kernel.{number}", "kernel", Status.CRASH.row.kcidb, "\n".join((str(c), *c.lines)))
        for number, c in enumerate(noted.complaint for noted in job.complaints if noted.of_job)
    ]
    if job.error is not None:
        of_job.append(("lab", "lab", Status.ERROR.row.kcidb, str(job.error)))
    for test, path, status, said in of_job:
        yield {
            "id": f"{name}.{test}",
            "build_id": name,
            "origin": origin,
            "path": path,
            "status": status,
            "log_excerpt": _text(said),
            "environment": environment,
            "start_time": job.started,
        }


def _test(result: TestResult, test_id: str, build: str, origin: str) -> dict[str, Any]:
    said = "\n".join(filter(None, (result.message, *result.diagnostics)))
    test: dict[str, Any] = {
        "id": test_id,
        "build_id": build,
        "origin": origin,
        "path": ".".join(_path(p) for p in (result.filesystem, result.suite, result.test)),
        "status": _STOPPED if result.stopped else result.status.row.kcidb,
        "duration": result.duration_s,
        "misc": {
            "test": own_name(result),
            "program": result.program,
            "filesystem": result.filesystem,
            "suite": result.suite,
            "status": result.status.value,
            "expected": result.expected.value,
            "reason": result.reason,
        },
    }
    return {**test, "log_excerpt": _text(said)} if said else test


def _path(name: str) -> str:
    """A name, dots in it parting it, of the characters that KCIDB's paths have.

    Names that differ stay different.
    """
    parts = (re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in name.split("."))
    path = ".".join(part or "_" for part in parts)
    if path == name:
        return path
    return f"{path}-{hashlib.sha256(name.encode(errors='backslashreplace')).hexdigest()[:8]}"


def _text(text: str) -> str:
    clean = text.replace("\0", "\ufffd")
    return clean if len(clean) <= _MOST else clean[: _MOST - 1] + "…"
