# SPDX-License-Identifier: GPL-2.0-only
"""What records of older labs say in words alone: read once, where such a record comes in.

What is in a database is brought up by ``lab.results.migrations``, each of whose steps has
the words of its time; this is for the files of a run that no database has.
"""

from __future__ import annotations

import re
from typing import Any

from lab.model.job_error import Fault, JobError
from lab.model.unrun import Unrun

#: How a complaint of the kernel's began a message, and where it ended there.
_COMPLAINT = re.compile(
    r"(?:oops|bug|panic|warning|lockdep|suspicious-rcu|atomic|kasan|kcsan|kmsan|kfence|ubsan|slab"
    r"|leak|soft-lockup|hard-lockup|hung-task|rcu-stall|workqueue-lockup|oom-kill|bad-page"
    r"|bad-rss|refcount|stack|double-fault|filesystem|unknown|triple-fault|reboot|silent-death"
    r"|hang): .*?(?= \(the test itself: |; |$)"
)
_KILLED = re.compile(r"was killed by (SIG\w+|signal \d+)")
_BROKE_OFF = re.compile(r"(TBROK|TWARN): ")
_DID_NOT_RUN = "did not run: "
_KINDS = {
    "interrupted": Unrun.INTERRUPTED,
    "enough results are not as expected (--max-fail)": Unrun.ENOUGH,
}


def error_of(text: str | None, *, users_fault: bool) -> JobError | None:
    """A job's error, of which there is a text."""
    if text is None:
        return None
    if users_fault:
        return JobError.of_text(text, Fault.USER)
    return JobError.of_text(text, Fault.INTERRUPTED if text == "interrupted" else Fault.MACHINE)


def evidence_of(evidence: Any) -> Any:
    """A job's evidence, the proof of DAX among the proofs."""
    try:
        found = dict(evidence)
        proofs = [(name, (("dax", said),)) for name, said in found.pop("dax")]
    except (LookupError, TypeError, ValueError):
        return evidence
    return {**found, "proofs": proofs}


def unrun_of(result: dict[str, Any]) -> Unrun | None:
    """Why nobody ran a test, of whose result there is a message."""
    message = str(result.get("message", ""))
    if result.get("status") != "error" or not message.startswith(_DID_NOT_RUN):
        return None
    return _KINDS.get(message.removeprefix(_DID_NOT_RUN), Unrun.LOST)


def complaint_of(result: dict[str, Any]) -> str:
    """What the kernel complained of during a test, of whose result there is a message."""
    if result.get("status") not in ("crash", "timeout"):
        return ""
    found = _COMPLAINT.match(str(result.get("message", "")))
    return found[0] if found else ""


def signal_of(result: dict[str, Any]) -> str:
    """The signal that killed a test's program, of whose result there is a message."""
    if result.get("status") not in ("error", "fail"):
        return ""
    found = _KILLED.match(str(result.get("message", "")))
    return found[1] if found else ""


def broke_off_of(result: dict[str, Any]) -> str:
    """A program's own word for that it could not test, of whose result there is a message."""
    if result.get("status") != "error":
        return ""
    found = _BROKE_OFF.match(str(result.get("message", "")))
    return found[1] if found else ""
