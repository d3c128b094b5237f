# SPDX-License-Identifier: GPL-2.0-only
"""What was seen of a point, and what that comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.bisect.point import Point


class Sight(StrEnum):
    """How one trial ended, whatever a bisection wants to know."""

    PASSES = "passes"
    FAILS = "fails"
    #: A number was measured; what it is compared with is known when both ends are.
    MEASURED = "measured"
    #: It did not build, apply or boot, or nothing of what was asked ran: it says nothing.
    UNTESTABLE = "untestable"
    #: The machine's trouble, or the lab's own: nobody knows, and it is to be tried again.
    OURS = "ours"


@dataclass(frozen=True)
class Seen:
    """What one trial shows.

    Args:
        why: It for people, in a line: a message, why it did not build; "" where it passed.
        signature: What tells its failures from others: one text for each, without numbers.
        value: What was measured.
        failed: The tests that failed, or in which it complained; of what did not fail none.
        silent: Those that were asked beside what passed, and were skipped.
    """

    sight: Sight
    why: str = ""
    signature: tuple[str, ...] = ()
    value: float | None = None
    failed: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One time that a point was tried.

    Args:
        run: The id of the run that recorded it; "" where nothing was run.
        build_s: Seconds that its build took; 0 when it was there, or another trial has them.
        test_s: Seconds that its guest took.
    """

    seen: Seen
    run: str = ""
    build_s: float = 0.0
    test_s: float = 0.0


class Answer(StrEnum):
    """What one trial says to the question."""

    OLD = "old"
    NEW = "new"
    #: It fails otherwise than the new end does: that is another question's answer.
    OTHER = "other"
    UNTESTABLE = "untestable"
    #: None at all: the bisection rests, and goes on with the same point.
    OURS = "ours"


class Side(StrEnum):
    """On which side of the change a point is, as far as its trials say."""

    OLD = "old"
    NEW = "new"
    #: It cannot be told.
    SKIP = "skip"


@dataclass(frozen=True)
class Told:
    """What the trials of a point came to; of several on one point, the last holds."""

    point: Point
    side: Side
    why: str = ""
