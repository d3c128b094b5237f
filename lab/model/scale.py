# SPDX-License-Identifier: GPL-2.0-only
"""What became of it, a test, a change or a series: one scale for all, in one table.

Whoever has words for an end takes them from here: each word stands in TABLE once, whichever
enums have it, and what else is to be known of it is a column.  To add a word is to add a row,
and the member of an enum.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, StrEnum
from typing import NamedTuple

from lab.errors import ExitStatus


class _Scale(NamedTuple):
    """What all words of one worth have in common.

    Args:
        exit: What a command ends with that comes to nothing better.
        git: The same for ``git bisect run``: 1 to 127 but 125 is bad, 128 and up end it.
        colour: On a terminal.
    """

    exit: ExitStatus
    git: int
    colour: str


class Worth(Enum):
    """What a word says of a kernel, or of a series on it."""

    GOOD = _Scale(ExitStatus.EXPECTED, 0, "green")
    BAD = _Scale(ExitStatus.UNEXPECTED, 1, "red")
    #: It was not asked, or nothing came of it.
    NEITHER = _Scale(ExitStatus.UNEXPECTED, 125, "yellow")
    #: Nobody can say: the lab, the machine, or what they were given.
    UNKNOWN = _Scale(ExitStatus.INFRASTRUCTURE, 255, "magenta")


class Row(NamedTuple):
    """A word, and how each who tells it does that; "" where nobody does.

    Args:
        dead: Whether a program, or its guest, ended before it was done.
        sign: On a page, where there is room for one character.
        label: On a page, where it is not the word itself.
        heading: Above such tests in ``lab compare``.
        title: Above such tests in a mail of the nightly.
        review: The status of a check that is told to a review.
        junit: The element of a testcase that ends so: as expected, and not.
        ktap: kselftest's directive; a crash has none, and is a plain failure.
        kcidb: KCIDB's status: MISS is a failure of the harness, ERROR one of the test's own code.
    """

    word: str
    worth: Worth
    meaning: str
    dead: bool = False
    sign: str = ""
    label: str = ""
    heading: str = ""
    title: str = ""
    review: str = ""
    junit: tuple[str, str] = ("", "failure")
    ktap: str = ""
    kcidb: str = ""


_GOOD, _BAD, _NEITHER, _UNKNOWN = Worth

#: Of those that stand together the one that should be seen first comes first.
TABLE = (
    # How a test ended.
    Row("crash", _BAD, "the kernel died, or complained, while it ran",
        dead=True, sign="C", kcidb="FAIL"),
    Row("fail", _BAD, "the kernel does not do what it asks", sign="✗", kcidb="FAIL"),
    Row("timeout", _BAD, "it did not come to its end in time",
        dead=True, sign="T", ktap="TIMEOUT", kcidb="FAIL"),
    Row("error", _UNKNOWN, "the lab failed, and that says nothing of the kernel",
        sign="E", junit=("", "error"), ktap="ERROR", kcidb="MISS"),
    Row("skip", _NEITHER, "it cannot run there",
        sign="–", junit=("skipped", "failure"), ktap="SKIP", kcidb="SKIP"),  # noqa: RUF001
    Row("pass", _GOOD, "the kernel does what it asks", sign="✓", kcidb="PASS"),
    # What a series did to a test, or what became of a test since another run.
    Row("regressed", _BAD, "it was good, and is bad", sign="✗", review="fail",
        heading="Regressed", title="REGRESSED"),
    Row("inconclusive", _UNKNOWN, "one of the two sides does not show it", review="warn"),
    Row("fixed", _GOOD, "it was bad, and is good", sign="✓", review="pass",
        heading="Fixed", title="FIXED"),
    Row("still failing", _BAD, "it is as bad as without the series"),
    Row("still passing", _GOOD, "it is as good as without the series"),
    Row("not applicable", _NEITHER, "it cannot run there, or the series is not for that kernel"),
    Row("flaky", _BAD, "it ends in two ways on one and the same setup", sign="~",
        heading="Flaky: ends differently on one and the same setup",
        title="FLAKY: passed once and failed once, nothing being changed; no regression"),
    Row("infrastructure", _UNKNOWN, "the lab has no result of it", sign="E", label="lab error",
        heading="Infrastructure: errors of the lab, no word on the kernel"),
    Row("gone", _BAD, "it was there, and is there no more", sign="?",
        heading="Gone: no longer there", title="GONE: the test is no longer there"),
    Row("changed", _NEITHER, "it ends in another way, neither better nor worse", sign="≠",
        heading="Changed, neither better nor worse", title="CHANGED"),
    Row("new", _NEITHER, "it was not there before", sign="+", heading="New", title="NEW"),
    Row("same", _GOOD, "it ends as it did", heading="The same"),
    Row("without a result", _UNKNOWN, "it was to run, and nothing is known of it",
        title="NO RESULT: no word on the kernel, good or bad"),
    # What a series comes to on a kernel.
    Row("already fixed upstream", _GOOD, "the kernel has the fix, and passes", review="warn"),
    Row("does not apply", _NEITHER, "its patches do not fit the kernel", review="fail"),
    Row("no change", _NEITHER, "no test ends in another way", review="warn"),
    Row("needs backport", _GOOD, "the kernel has the bug, and the series mends it"),
    Row("already there", _GOOD, "the kernel has the series"),
    Row("not affected", _GOOD, "the kernel has not the bug"),
    # What is wrong with one patch of a series.
    Row("does not build", _BAD, "with it the kernel does not compile"),
    Row("does not boot", _BAD, "with it no program comes to run"),
    Row("adds a warning", _BAD, "the compiler says something new of what it touches"),
    Row("breaks a test", _BAD, "a test is bad that was good before it"),
)  # fmt: skip

_ROWS = {row.word: row for row in TABLE}


class Word(StrEnum):
    """Words of the table; an enum says which of them can be said of one thing."""

    @property
    def row(self) -> Row:
        """What the table says of it."""
        return _ROWS[self.value]

    @property
    def worth(self) -> Worth:
        """What it says of a kernel."""
        return self.row.worth

    @property
    def is_bad(self) -> bool:
        """Whether it speaks against the kernel, or the series on it."""
        return self.worth is Worth.BAD

    @property
    def is_ok(self) -> bool:
        """Whether it speaks against nothing, and is known."""
        return self.worth in (Worth.GOOD, Worth.NEITHER)

    @property
    def style(self) -> str:
        """Its colour on a terminal, which only repeats what words say."""
        return self.worth.value.colour


def exit_of(wanting: Iterable[bool]) -> ExitStatus:
    """What a command ends with: the kernel's comes before what is the lab's.

    Args:
        wanting: For each answer that is not as it should be whether that is the lab's fault.
    """
    found = set(wanting)
    worth = Worth.BAD if False in found else Worth.UNKNOWN if found else Worth.GOOD
    return worth.value.exit
