# SPDX-License-Identifier: GPL-2.0-only
"""Runs as KTAP version 1 (Documentation/dev-tools/ktap.rst), the kernel's own form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from lab.model.records import JobRecord, RunRecord, TestResult
from lab.report.export.forms import Place
from lab.text import plain


def ktap_text(run: RunRecord, _place: Place | None = None) -> str:
    """The run as a KTAP document."""
    return "\n".join(ktap_lines(run)) + "\n"


def ktap_lines(run: RunRecord) -> Iterator[str]:
    """The run in lines: tests nested in jobs.

    Results are as they were, whatever was expected.  What the lab could not do
    is ``not ok`` too, with ``# ERROR``: it must not look like a pass.
    """
    yield "KTAP version 1"
    yield f"1..{len(run.jobs) + len(run.problems)}"
    number = 0
    for number, job in enumerate(run.jobs, 1):
        yield from _job(job, number)
    for place, problem in enumerate(run.problems, number + 1):
        yield f"not ok {place} lab # ERROR {_name(problem)}"


def _job(job: JobRecord, number: int) -> Iterator[str]:
    groups = [
        (names, list(results))
        for names, results in groupby(
            sorted(job.results, key=lambda r: (r.filesystem, r.suite)),
            key=lambda r: (r.filesystem, r.suite),
        )
    ]
    complaints = [noted.complaint for noted in job.complaints if noted.of_job]
    broken = len(complaints) + int(job.error is not None)
    yield "  KTAP version 1"
    yield f"  # {_said(f'{job.kernel_release}, {job.evidence.machine_description}')}"
    yield f"  1..{len(groups) + broken}"
    ok = not broken
    place = 0
    for place, ((filesystem, suite), results) in enumerate(groups, 1):
        yield from _suite(results)
        passed = all(result.status.is_ok for result in results)
        ok = ok and passed
        yield f"  {_ok(passed)} {place} {_name(f'{filesystem}.{suite}')}"
    for complaint in complaints:
        place += 1
        yield from (f"  # {_said(line)}" for line in complaint.lines)
        yield f"  not ok {place} kernel {_name(str(complaint))}"
    if job.error is not None:
        yield f"  not ok {place + 1} lab # ERROR {_name(str(job.error))}"
    why = job.evidence.untested if ok and not groups else ""
    yield f"{_ok(ok)} {number} {_name(job.name)}{f' # SKIP {_name(why)}' if why else ''}"


def _suite(results: list[TestResult]) -> Iterator[str]:
    yield "    KTAP version 1"
    yield f"    1..{len(results)}"
    for number, result in enumerate(results, 1):
        for line in result.diagnostics:
            yield f"    # {_said(line)}"
        if result.message and not result.status.row.ktap:
            # Not on the result's line: a message that begins with SKIP would be a directive.
            yield f"    # {_said(result.message)}"
        ok = result.status.is_ok
        yield f"    {_ok(ok)} {number} {_name(result.test)}{_directive(result)}"


def _directive(result: TestResult) -> str:
    word = result.status.row.ktap
    return f" # {word} {_name(result.message)}".rstrip() if word else ""


def _ok(passed: bool) -> str:
    return "ok" if passed else "not ok"


def _name(text: str) -> str:
    """Text in which no reader sees a directive, escaped as TAP 14 has it."""
    return re.sub(r"[\s\x85]", " ", plain(text)).replace("\\", "\\\\").replace("#", "\\#")


def _said(text: str) -> str:
    """A diagnostic line after its ``# ``: one line, and none that names a subtest (TAP 14)."""
    line = " ".join(plain(text).split())
    return f" {line}" if line.casefold().startswith("subtest") else line
