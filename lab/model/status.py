# SPDX-License-Identifier: GPL-2.0-only
"""How a test ended, and what a series came to."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The result of one test; ``fail`` is the kernel's, ``error`` is the lab's."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIP = "skip"
    CRASH = "crash"
    TIMEOUT = "timeout"
    ERROR = "error"


class Outcome(StrEnum):
    """What a series comes to on one kernel."""

    FIXED = "fixed"
    UPSTREAM = "already fixed upstream"
    DOES_NOT_APPLY = "does not apply"
    REGRESSED = "regressed"
    NO_CHANGE = "no change"
    INCONCLUSIVE = "inconclusive"
