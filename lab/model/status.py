# SPDX-License-Identifier: GPL-2.0-only
"""How a test ended, and what a series came to; ``lab.model.scale`` says what each is worth."""

from __future__ import annotations

from lab.model.scale import Word


class Status(Word):
    """The result of one test; ``fail`` is the kernel's, ``error`` is the lab's."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIP = "skip"
    CRASH = "crash"
    TIMEOUT = "timeout"
    ERROR = "error"


class Outcome(Word):
    """What a series comes to on one kernel."""

    FIXED = "fixed"
    UPSTREAM = "already fixed upstream"
    DOES_NOT_APPLY = "does not apply"
    REGRESSED = "regressed"
    NO_CHANGE = "no change"
    INCONCLUSIVE = "inconclusive"


#: What is the kernel's fault, as far as is known.
BAD = frozenset(status for status in Status if status.is_bad)
#: What left a program, or its guest, before it was done.
DEAD = frozenset(status for status in Status if status.row.dead)
