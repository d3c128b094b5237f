# SPDX-License-Identifier: GPL-2.0-only
"""Which result a test should have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from lab.config import Expectation
from lab.features import has
from lab.model.glob import matches
from lab.model.job_name import Around
from lab.model.status import Status
from lab.model.variant import Variant
from lab.model.version import KernelVersion, VersionRange


def expected(
    expectations: Sequence[Expectation],
    *,
    variant: Variant | str,
    around: Around,
    version: KernelVersion,
    filesystem: str,
    suite: str,
    test: str,
) -> tuple[Status, str]:
    """The status that ``test`` should have, and why.

    The last ``[[expect]]`` that matches counts: a general one first, exceptions
    after it.  A test that none matches should pass, and needs no reason.

    Args:
        around: The machine and the config.
        version: Of the kernel that ran.
    """
    names = (str(variant), around.config, around.machine, filesystem, suite, test)
    for expectation in reversed(expectations):
        if _speaks_of(expectation, names) and means(expectation, version):
            return expectation.status, expectation.reason
    return Status.PASS, ""


def _speaks_of(expectation: Expectation, names: tuple[str, ...]) -> bool:
    globs = (
        expectation.variants,
        expectation.configs,
        expectation.machines,
        expectation.filesystems,
        expectation.suites,
        expectation.tests,
    )
    return all(matches(name, some) for name, some in zip(names, globs, strict=True))


def means(expectation: Expectation, version: KernelVersion) -> bool:
    """Whether an expectation is about kernels of ``version``."""
    lacks = expectation.lacks
    return _range(expectation.versions).contains(version) and not (lacks and has(version, lacks))


_range = cache(VersionRange.parse)
