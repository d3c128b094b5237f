# SPDX-License-Identifier: GPL-2.0-only
"""Which result a test should have."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from lab.config import Expectation, Status
from lab.plan.variant import Variant


def expected(
    expectations: Sequence[Expectation],
    *,
    variant: Variant | str,
    filesystem: str,
    suite: str,
    test: str,
) -> tuple[Status, str]:
    """The status that ``test`` should have, and why.

    The last ``[[expect]]`` that matches counts: a general one first, exceptions
    after it.  A test that none matches should pass, and needs no reason.
    """
    names = (str(variant), filesystem, suite, test)
    for expectation in reversed(expectations):
        if _speaks_of(expectation, names):
            return expectation.status, expectation.reason
    return Status.PASS, ""


def _speaks_of(expectation: Expectation, names: tuple[str, str, str, str]) -> bool:
    globs = (
        expectation.variants,
        expectation.filesystems,
        expectation.suites,
        expectation.tests,
    )
    return all(_matches(name, some) for name, some in zip(names, globs, strict=True))


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    # Not fnmatch(): it folds case on some systems, and a verdict must not depend on that.
    return any(fnmatchcase(name, glob) for glob in globs)
