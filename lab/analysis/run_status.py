# SPDX-License-Identifier: GPL-2.0-only
"""What a recorded run comes to."""

from __future__ import annotations

from lab.errors import ExitStatus
from lab.model.records import JobRecord, PlacedComplaint, RunRecord, TestResult


def is_lab_error(result: TestResult) -> bool:
    """An error nobody expected: ours, and no word on the kernel."""
    return not (result.has_word or result.as_expected or result.users_fault) and result.ran


def is_users_error(result: TestResult) -> bool:
    """An error of whoever wrote the program: it does not compile, or asks its guest nothing."""
    return result.users_fault and not result.as_expected


def is_broken_off(result: TestResult) -> bool:
    """An error by the program's own word, that it could not test; one of is_unexpected()."""
    return bool(result.broke_off) and is_unexpected(result)


def is_unexpected(result: TestResult) -> bool:
    """A result that is no error of ours, and not the one expected; skips too."""
    told = is_lab_error(result) or is_users_error(result) or not result.ran
    return not (result.as_expected or told)


def unrun(run: RunRecord) -> tuple[TestResult, ...]:
    """The results that stand for tests nobody ran, and say why."""
    return tuple(result for result in run.results if not result.ran)


def job_complaints(run: RunRecord) -> list[tuple[JobRecord, PlacedComplaint]]:
    """What the kernels complained of while no test ran: no result tells of it."""
    return [(job, noted) for job in run.jobs for noted in job.complaints if noted.of_job]


def count_errors(run: RunRecord) -> int:
    """Errors of the lab: in tests, in jobs, and in the run as a whole."""
    in_tests = sum(is_lab_error(result) for result in run.results)
    in_jobs = sum(job.lab_error is not None for job in run.jobs)
    return in_tests + in_jobs + len(run.problems)


def unbuilt_jobs(run: RunRecord) -> list[JobRecord]:
    """The jobs that could not be done for what the lab was given."""
    return [job for job in run.jobs if job.error is not None and job.users_fault]


def uncompiled_programs(run: RunRecord) -> dict[str, str]:
    """The programs that could not be compiled, or a test of which is wrong, and why.

    The compiler's words have file and line.
    """
    return {
        _of(result): "\n".join((result.message, *result.diagnostics))
        for result in run.results
        if is_users_error(result)
    }


def _of(result: TestResult) -> str:
    if result.test == result.program:
        return result.program
    return f"{result.program} {result.test}"


def run_status(run: RunRecord) -> ExitStatus:
    """The exit status of a command that ends with this run.

    UNEXPECTED when any result of the kernel's is not as expected, or it complained
    while no test ran, even if there are errors of the lab besides: a CI system that
    takes 3 for "not our fault, try again" must not lose a regression that was seen.
    USER when a job could not be done for what the lab was given, or a program of it not
    compiled: no retry mends that.
    INFRASTRUCTURE when there are only errors, or no evidence: no results, nothing
    but expected skips, tests that nobody ran, a run that did not finish.
    """
    if any(is_unexpected(result) for result in run.results) or job_complaints(run):
        return ExitStatus.UNEXPECTED
    if unbuilt_jobs(run) or uncompiled_programs(run):
        return ExitStatus.USER
    wanting = count_errors(run) or unrun(run)
    return ExitStatus.INFRASTRUCTURE if wanting else ExitStatus.EXPECTED
