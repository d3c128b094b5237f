# SPDX-License-Identifier: GPL-2.0-only
"""Which result a test should have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
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
    today: date | None = None,
) -> tuple[Status, str]:
    """The status that ``test`` should have, and why.

    The last ``[[expect]]`` that matches counts: a general one first, exceptions
    after it.  A test that none matches should pass, and needs no reason.

    Args:
        around: The machine and the config.
        version: Of the kernel that ran.
        today: By which an expectation may have run out; this day if none is given.
    """
    names = (str(variant), around.config, around.machine, filesystem, suite, test)
    for expectation in reversed(expectations):
        if _speaks_of(expectation, names) and means(expectation, version):
            return _while_it_lasts(expectation, version, today or date.today())
    return Status.PASS, ""


def _while_it_lasts(
    expectation: Expectation, version: KernelVersion, today: date
) -> tuple[Status, str]:
    """What is expected, and why; once that has run out, a pass, and what was expected before."""
    mended = f" (mended by {expectation.mended})" if expectation.mended else ""
    reason = f"{expectation.reason}{mended}"
    if not _ran_out(expectation.until, version, today):
        return expectation.status, reason
    what = f"{expectation.status} was expected until {expectation.until}"
    return Status.PASS, f"{what}: {reason}"


def _ran_out(until: date | str | None, version: KernelVersion, today: date) -> bool:
    if isinstance(until, date):
        return today > until
    return until is not None and not version < KernelVersion.parse(until)


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
