# SPDX-License-Identifier: GPL-2.0-only
"""Rules of ``lab.toml`` that nothing in a whole run was about: a typo, or out of date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.analysis.expectation import means
from lab.complaints.benign import Benign
from lab.config.model import Expectation, LabConfig
from lab.model.glob import matches
from lab.model.problem import KeyPath
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.version import KernelVersion

#: What a rule says of suites that names none.
_ANY = ("*",)


def unmatched(config: LabConfig, run: RunRecord) -> Iterator[tuple[KeyPath, str]]:
    """Where each such rule is, and what of it matched nothing.

    A rule for kernels, filesystems or suites that the run has not is about another matrix.  So
    may one be that names no suites, where a matrix has some that the run has not.
    """
    elsewhere = _suites_elsewhere(config, run)
    for number, rule in enumerate(config.expect):
        if elsewhere and rule.suites == _ANY:
            continue
        for glob in _silent(rule, run):
            position = rule.tests.index(glob)
            what = f"no test has a name like {glob!r}: it expected nothing"
            yield ("expect", number, "tests", position), what
    for number, row in enumerate(config.benign):
        benign = Benign.make(row.title, row.versions, row.reason)
        jobs = [job for job in run.jobs if benign.versions.contains(_version(job))]
        titles = {str(noted.complaint) for job in jobs for noted in job.complaints}
        if jobs and not any(matches(title, (row.title,)) for title in titles):
            what = f"no complaint was like {row.title!r}: it excused nothing"
            yield ("benign", number, "title"), what


def _suites_elsewhere(config: LabConfig, run: RunRecord) -> set[str]:
    ran = {result.suite for job in run.jobs for result in job.results}
    return {name for matrix in config.matrix.values() for name in matrix.suites} - ran


def _silent(rule: Expectation, run: RunRecord) -> Iterable[str]:
    """The globs of a rule that match no test of those places that it is about."""
    names = {
        result.test for job in run.jobs for result in job.results if _is_about(rule, job, result)
    }
    if not names:
        return ()
    return [glob for glob in rule.tests if not any(matches(name, (glob,)) for name in names)]


def _is_about(rule: Expectation, job: JobRecord, result: TestResult) -> bool:
    return (
        matches(result.variant, rule.variants)
        and matches(job.config, rule.configs)
        and matches(job.machine, rule.machines)
        and matches(result.filesystem, rule.filesystems)
        and matches(result.suite, rule.suites)
        and means(rule, _version(job))
    )


def _version(job: JobRecord) -> KernelVersion:
    try:
        return KernelVersion.of_release(job.kernel_release)
    except ValueError:
        return KernelVersion(0, 0)
