# SPDX-License-Identifier: GPL-2.0-only
"""What tells one failure from another, in this kernel and in those before and behind it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from lab.complaints.title import stable
from lab.errors import LabError
from lab.model.complaint import Complaint
from lab.model.records import JobRecord, PlacedComplaint, TestResult
from lab.model.status import Status
from lab.process.shelf import WORKBENCHES

#: What is in fewer failures than one of so many is something else that happened meanwhile.
_ONE_OF = 5
#: Where a kernel is built: one error is the same on each of its workbenches, and on another's.
_ON_BENCH = re.compile(rf"\S*/{WORKBENCHES.folder}/[^/\s]+/(?:src|obj)/")


def of_complaint(complaint: Complaint) -> str:
    """A complaint: its kind, and its title, which names the guilty function."""
    return str(complaint)


def of_result(job: JobRecord, result: TestResult) -> tuple[str, ...]:
    """A result that is no pass.

    Where the kernel complained, that is what happened, whichever test was there to see it;
    else it is the test and what it said, without its numbers.
    """
    charged = [of_complaint(one.complaint) for one in job.complaints if _is_about(one, result)]
    if result.status is Status.CRASH and charged:
        return tuple(dict.fromkeys(charged))
    said = result.stopped_by if result.stopped else _said(result.message)
    return (": ".join(filter(None, (result.test, str(result.status), said))),)


def test_in(text: str) -> str:
    """Of a test's failure the test and its status: it has words for each time; else all of it."""
    parts = text.split(": ", 2)
    return ": ".join(parts[:2]) if len(parts) == 3 else text


def test_of(one: TestResult | PlacedComplaint) -> str:
    """Which test it is, of which program, on which filesystem."""
    return f"{one.filesystem} {one.program} {one.test}"


def silent_in(results: Sequence[TestResult]) -> tuple[str, ...]:
    """The tests of these that were skipped: they say nothing of the kernel."""
    return tuple(test_of(one) for one in results if one.status is Status.SKIP)


def of_error(error: LabError) -> str:
    """What cannot be built: the compiler's first error, or what the lab says."""
    lines = (error.detail or "").splitlines()
    first = next((line for line in lines if "error:" in line.lower()), error.what)
    return stable(_ON_BENCH.sub("", first))


def recurring(seen: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What the failures of one point are known by: what comes again among them.

    A test that is asked for by several names, or at several calls, fails now here and now there
    of one cause; what happened once among many is something else, unless nothing came again.
    """
    counts = Counter(text for one in seen for text in dict.fromkeys(one))
    most = max(counts.values(), default=0)
    again = max(2, len(seen) / _ONE_OF)
    return tuple(text for text, count in counts.items() if count == most or count >= again)


def _is_about(one: PlacedComplaint, result: TestResult) -> bool:
    if one.benign or one.program != result.program:
        return False
    return one.filesystem == result.filesystem and one.test in ("", result.test)


def _said(message: str) -> str:
    """The message without what differs from one run to the next."""
    return stable(" ".join(_words(message)))


def _words(message: str) -> Iterator[str]:
    """Its words; a folder for a moment has another name each time."""
    for word in message.split():
        yield "PATH" if word.startswith("/tmp/") else word  # noqa: S108  (said, not made)
