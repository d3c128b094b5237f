# SPDX-License-Identifier: GPL-2.0-only
"""What makes a test of one run the same as a test of another."""

from __future__ import annotations

from typing import NamedTuple

from lab.model.job_name import job_name
from lab.model.records import KERNEL, JobRecord, TestResult


class _Names(NamedTuple):
    variant: str
    machine: str
    config: str
    filesystem: str
    suite: str
    test: str
    program: str = ""


class TestKey(_Names):
    """What makes a test of one run the same as a test of another; a tuple of names.

    ``program`` is "" of records that do not tell; two of a suite may share a test's name.
    """

    # pytest takes a class of such a name for tests.
    __test__ = False
    __slots__ = ()

    @classmethod
    def of(cls, job: JobRecord, result: TestResult) -> TestKey:
        """The key of a result of a job."""
        return cls(
            result.variant,
            job.machine,
            job.config,
            result.filesystem,
            result.suite,
            result.test,
            result.program,
        )

    @property
    def name(self) -> TestKey:
        """The key without the program."""
        return self._replace(program="")

    @property
    def job(self) -> tuple[str, str, str]:
        """The job that the test is part of: variant, machine, config."""
        return self.variant, self.machine, self.config

    @property
    def job_name(self) -> str:
        """That job's name for a reader."""
        return job_name(*self.job)

    @property
    def group(self) -> tuple[str, ...]:
        """The suite's run that the test is part of: its job, filesystem and suite."""
        return self[:5]

    @property
    def is_complaint(self) -> bool:
        """Whether it is a complaint of the kernel that came while no program ran."""
        return self.suite == KERNEL and not self.filesystem
