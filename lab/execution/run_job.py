# SPDX-License-Identifier: GPL-2.0-only
"""A job run: boot, test, collect."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial

from lab.errors import LabError
from lab.execution.agenda import Agenda
from lab.execution.findings import Findings
from lab.execution.group_run import run_group
from lab.execution.grouping import groups_of
from lab.execution.job import Job
from lab.execution.prefetch import Prefetch
from lab.execution.repetitions import each_once, is_alike
from lab.model import job_error
from lab.model.job_error import Fault, JobError
from lab.model.records import Evidence, JobRecord, TestResult, now
from lab.model.unrun import INTERRUPTED, Stop
from lab.model.variant import Variant
from lab.process.interrupt import held
from lab.process.spent import spent_s
from lab.unforeseen import as_lab_error

#: Of so many repetitions a state of their own pays, with the filesystem made and mounted: it
#: takes a boot and 100 MB.
_PAYS = 8


class JobInterrupted(BaseException):
    """What was raised in the middle of a job: Ctrl-C, or a signal.

    Attributes:
        record: The job's, with all that had ended, and what did not run.
        cause: What was raised.
    """

    def __init__(self, record: JobRecord, cause: BaseException) -> None:
        super().__init__(record.variant)
        self.record = record
        self.cause = cause


def run_job(
    job: Job,
    on_result: Callable[[TestResult], None] = lambda _: None,
    on_word: Callable[[str], None] = lambda _: None,
    interruptible: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> JobRecord:
    """Boot, test, collect; whatever the guest does, a record comes back.

    A guest that dies costs the test that ran: the rest goes on in a fresh one.

    Args:
        on_result: Is told each result when it is known.
        on_word: Is told what the kernel complains of, when it does.
        interruptible: A block in which an interrupt loses nothing, for whoever can put it off
            until then.

    Raises:
        JobInterrupted: From what else than an error ended it.
    """
    # One that even its record cannot be made of costs itself, and no other job.
    try:
        return _run(Findings(job, on_result, on_word), interruptible)
    except Exception as error:
        said = as_lab_error(error)
        return unrun_job(job, Stop(said.what), JobError.of(said, Fault.MACHINE))


def unrun_job(job: Job, stop: Stop, error: JobError | None = None) -> JobRecord:
    """The record of a job that was not begun: all that did not run says so."""
    findings = Findings(job)
    _leave(findings, Agenda(job.units), stop)
    return _record(findings, _Began(), job.evidence, 0.0, error)


def _run(
    findings: Findings, interruptible: Callable[[], AbstractContextManager[object]]
) -> JobRecord:
    job, began = findings.job, _Began()

    def record(error: JobError | None) -> JobRecord:
        evidence = findings.evidence(spent_s() - began.cpu_s)
        return _record(findings, began, evidence, time.monotonic() - began.clock_s, error)

    agenda = Agenda(job.units)
    for unit, error in job.uncompiled:
        findings.add_trouble([unit], error)
    try:
        guests = Prefetch(job.guests().__next__, on=job.prefetch, ready=job.repeat >= _PAYS)
        with findings.host, closing(guests) as prefetch, interruptible():
            _run_groups(findings, agenda, prefetch)
        # A signal may come until there is a record of what ran.
        return record(findings.error)
    except Exception as error:
        said = as_lab_error(error)
        _leave(findings, agenda, Stop(said.what))
        return record(JobError.of(said, Fault.MACHINE))
    except BaseException as stop:
        _leave(findings, agenda, INTERRUPTED)
        raise JobInterrupted(record(job_error.INTERRUPTED), stop) from stop


def _run_groups(findings: Findings, agenda: Agenda, prefetch: Prefetch) -> None:
    agenda.share(groups_of(findings.job))
    first = True
    while agenda and not findings.over:
        findings.begin(agenda.group)
        trouble = run_group(findings, agenda, prefetch)
        if trouble is not None:
            _add_trouble(findings, agenda, trouble, first=first)
        elif not agenda.group:
            agenda.take_group()
        first = False
    _leave(findings, agenda, findings.over or Stop(""))


def _add_trouble(findings: Findings, agenda: Agenda, trouble: LabError, *, first: bool) -> None:
    """What the trouble of a guest costs: its group, or all."""
    if not agenda.group:
        # All had run: what its guest still had to say, nobody knows.
        findings.note_error(JobError.of(trouble, Fault.MACHINE))
    # Where the first guest reached no filesystem, no other would.
    with held():
        units = agenda.take_all() if first else agenda.take_group()
        findings.add_trouble((unit for unit, _ in each_once(units)), trouble)


def _leave(findings: Findings, agenda: Agenda, stop: Stop) -> None:
    """Nothing more runs: what is left says so."""
    for unit, more in each_once(agenda.units):
        # One by one: a signal may come in between, and then the others are left still.
        with held():
            findings.add_unrun(unit, f"{stop.why}{more}", stop.kind)
            agenda.drop(partial(is_alike, unit))


def _record(
    findings: Findings, began: _Began, evidence: Evidence, duration_s: float, error: JobError | None
) -> JobRecord:
    job = findings.job
    return JobRecord(
        variant=Variant(job.variant),
        kernel_release=job.release,
        machine=job.machine,
        config=job.config,
        started=began.at,
        duration_s=round(duration_s, 3),
        evidence=evidence,
        results=tuple(findings.results),
        error=error,
        complaints=tuple(findings.complaints),
    )


@dataclass(frozen=True)
class _Began:
    """When a job began: by the calendar, the clock and the CPUs."""

    at: str = field(default_factory=now)
    clock_s: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=spent_s)
