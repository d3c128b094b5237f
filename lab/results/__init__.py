# SPDX-License-Identifier: GPL-2.0-only
"""What is recorded of a run, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.results.compare import Change, Compared, Comparison, TestKey, compare, results_of
from lab.results.folder import JobFolder, RunFolder, slug, write_bytes, write_json, write_text
from lab.results.history import Seen
from lab.results.outcome import KernelVerdict, Verification
from lab.results.record import (
    Evidence,
    GuestUse,
    Host,
    JobRecord,
    Noted,
    RunRecord,
    TestResult,
    is_as_expected,
    new_run_id,
    now,
)
from lab.results.recorder import Recorder
from lab.results.trail import End, Trail
from lab.results.verdict import TestVerdict, Verdict

if TYPE_CHECKING:
    from lab.results.store import RunSummary, Store

__all__ = [
    "Change",
    "Compared",
    "Comparison",
    "End",
    "Evidence",
    "GuestUse",
    "Host",
    "JobFolder",
    "JobRecord",
    "KernelVerdict",
    "Noted",
    "Recorder",
    "RunFolder",
    "RunRecord",
    "RunSummary",
    "Seen",
    "Store",
    "TestKey",
    "TestResult",
    "TestVerdict",
    "Trail",
    "Verdict",
    "Verification",
    "compare",
    "is_as_expected",
    "new_run_id",
    "now",
    "results_of",
    "slug",
    "write_bytes",
    "write_json",
    "write_text",
]


def __getattr__(name: str) -> Any:
    # SQLAlchemy takes longer to import than all else: only who opens a store waits for it.
    if name in {"RunSummary", "Store"}:
        from lab.results import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
