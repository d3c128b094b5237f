# SPDX-License-Identifier: GPL-2.0-only
"""What is recorded of a run, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.results.folder import JobFolder, RunFolder, slug, write_bytes, write_json, write_text
from lab.results.history import Seen
from lab.results.past_endings import End, Trail
from lab.results.recorder import Recorder

if TYPE_CHECKING:
    from lab.results.store import RunSummary, Store

__all__ = [
    "End",
    "JobFolder",
    "Recorder",
    "RunFolder",
    "RunSummary",
    "Seen",
    "Store",
    "Trail",
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
