# SPDX-License-Identifier: GPL-2.0-only
"""Records for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.model.complaint import Complaint, Frame, Kind
from lab.model.job_error import Fault, JobError
from lab.model.metric import Metric
from lab.model.records import (
    DID_NOT_RUN,
    Evidence,
    Host,
    JobRecord,
    PlacedComplaint,
    RunRecord,
    TestResult,
)
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.model.variant import Variant

PROOF = (("mounts", "/dev/pmem0 /mnt ext4 rw,dax=always"), ("statx", "DAX"))
EVIDENCE = Evidence(
    accelerator="tcg",
    qemu_version="7.2.17",
    cmdline="console=ttyS0",
    proofs=(("ext4-dax", (("dax", PROOF),)),),
    series_digests=(("dax-populate", "ab" * 32),),
    timeline=(("boot", 0.25), ("ssh", 3.5)),
)


def result(
    test: str = "mlock.shared-rw.4k", status: Status = Status.PASS, **more: Any
) -> TestResult:
    if str(more.get("message", "")).startswith(DID_NOT_RUN):
        more.setdefault("unrun", Unrun.LOST)
    base = TestResult("6.1", "6.1.192", "ext4-dax", "mlock", test, status, duration_s=0.125)
    return replace(base, **more)


def job(*results: TestResult, **more: Any) -> JobRecord:
    base = JobRecord(
        Variant("6.1"), "6.1.192", "default", "default", "2026-01-01T12:00:01+00:00", 4.5
    )
    if "variant" in more:
        more["variant"] = Variant(more["variant"])
    users_fault = more.pop("users_fault", False)
    if isinstance(more.get("error"), str):
        more["error"] = failed(more["error"], users_fault=users_fault)
    return replace(base, evidence=EVIDENCE, results=results, **more)


def untested(variant: str) -> JobRecord:
    """A job that has no results, and needs none."""
    why = replace(EVIDENCE, untested="the binary is the same")
    return replace(job(variant=variant), evidence=why)


def failed(text: str, *, users_fault: bool = False) -> JobError:
    """A job's error, as an older lab has it on record."""
    fault = Fault.INTERRUPTED if text == "interrupted" else Fault.MACHINE
    return JobError.of_text(text, Fault.USER if users_fault else fault)


def run(*jobs: JobRecord, **more: Any) -> RunRecord:
    base = RunRecord(
        id="20260101-120000-ab12",
        started="2026-01-01T12:00:00+00:00",
        finished="2026-01-01T12:00:43+00:00",
        command=("lab", "test", "6.1"),
        lab_version="0.1.0",
        host=Host(2, "host", "Linux"),
        plan=("6.1 on ext4-dax",),
        folder="results/20260101-120000-ab12",
        jobs=jobs,
    )
    return replace(base, **more)


def slow_and_fast() -> tuple[Metric, ...]:
    name = "first_access_ns_per_page"
    return (
        Metric(name, (("populate", "no"),), 812.0),
        Metric(name, (("populate", "yes"),), 81.2),
        Metric("mmap_ns_per_page", (("populate", "yes"),), 70_000.0),
    )


def noted(**more: Any) -> PlacedComplaint:
    """A complaint that came while no test ran, unless ``more`` says otherwise."""
    frames = (Frame("foo", 1, 32, file="mm/gup.c", line=12), Frame("bar", 3, 64, reliable=False))
    complaint = Complaint(
        Kind.WARNING, "WARNING in foo", ("[    1.5] WARNING: at", "foo"), 7, 123, frames, 1.5
    )
    return replace(PlacedComplaint(complaint), **more)
