# SPDX-License-Identifier: GPL-2.0-only
"""What proves a run's results, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lab.model.proof import in_words, promised
from lab.model.records import JobRecord, RunRecord


def evidence_lines(run: RunRecord) -> Iterator[str]:
    """The evidence of each job: build, machine, proofs, where the logs are, time and cost."""
    for number, job in enumerate(run.jobs):
        yield ""
        yield f"Job {number}: {job.name}, {job.duration_s:g} s from {job.started}"
        for name, value in _values(job):
            if value:
                yield f"  {name:16} {value}"


def _values(job: JobRecord) -> Iterator[tuple[str, str]]:
    evidence = job.evidence
    yield "error", str(job.error or "").replace("\n", "; ")
    yield "kernel", f"{job.kernel_release}, {evidence.tree_identity}"
    yield from ((f"series {name}", digest) for name, digest in evidence.series_digests)
    yield "build", evidence.build_key
    yield "had from", evidence.build_from
    yield "config", f"{job.config} {evidence.config_digest}"
    yield "compiler", evidence.compiler
    yield "machine", f"{job.machine}: {evidence.machine_description}"
    yield "QEMU", f"{evidence.qemu_version}, {evidence.accelerator}"
    if evidence.host:
        yield "host", evidence.host
    yield "command", evidence.cmdline
    yield "guest programs", evidence.programs_digest
    yield "image", evidence.image_digest
    yield from _proofs(job)
    yield "stayed mounted", "; ".join(said for _, said in evidence.left_mounted)
    yield "console", evidence.console_path
    yield "kernel log", evidence.kernel_log_path
    yield "KTAP", evidence.ktap_path
    yield "boot", ", ".join(f"{name} {at:g} s" for name, at in evidence.timeline)
    yield "cost", ", ".join(f"{name} {amount:g}" for name, amount in evidence.cost)


def _proofs(job: JobRecord) -> Iterator[tuple[str, str]]:
    for filesystem, proofs in job.evidence.proofs:
        if not promised(job.evidence, filesystem):
            yield filesystem, "promised nothing"
        for proof, said in proofs:
            shown = ", ".join(f"{name}={' '.join(value.split())}" for name, value in said)
            yield f"{in_words(proof)} {filesystem}", shown
