# SPDX-License-Identifier: GPL-2.0-only
"""What tests are called for a reader where two programs of a suite share a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.test_key import TestKey

#: (suite, test) names of more than one program.
Shared = frozenset[tuple[str, str]]


def shared_names(tests: Iterable[TestResult | TestKey]) -> Shared:
    """The names that more than one program of a suite has."""
    programs: dict[tuple[str, str], str] = {}
    shared = set()
    for test in tests:
        name = (test.suite, test.test)
        if test.program and programs.setdefault(name, test.program) != test.program:
            shared.add(name)
    return frozenset(shared)


@dataclass(frozen=True)
class _Apart(TestResult):
    """A result with its program in its name; ``own`` is the name that the program gave it."""

    own: str = ""


def apart(result: TestResult, shared: Shared) -> TestResult:
    """The result, with its program in its name if that is shared."""
    if (result.suite, result.test) not in shared:
        return result
    values = {one.name: getattr(result, one.name) for one in fields(TestResult)}
    values["test"] = _named(result.program, result.test)
    return _Apart(**values, own=result.test)


def key_apart(key: TestKey, shared: Shared) -> TestKey:
    """As apart(), of a key."""
    if (key.suite, key.test) not in shared:
        return key
    return key._replace(test=_named(key.program, key.test))


def told_apart(run: RunRecord) -> RunRecord:
    """The run, with programs in the names of tests that need them."""
    return run_apart(run, shared_names(run.results))


def run_apart(run: RunRecord, shared: Shared) -> RunRecord:
    """As apart(), of a run."""
    return replace(run, jobs=tuple(job_apart(job, shared) for job in run.jobs)) if shared else run


def job_apart(job: JobRecord, shared: Shared) -> JobRecord:
    """As apart(), of a job."""
    return replace(job, results=tuple(apart(one, shared) for one in job.results)) if shared else job


def own_name(result: TestResult) -> str:
    """The name as the program itself has it."""
    return result.own if isinstance(result, _Apart) else result.test


def _named(program: str, test: str) -> str:
    return f"{program}: {test}" if program else test
