# SPDX-License-Identifier: GPL-2.0-only
"""The one gate for child processes."""

from lab.process.child import (
    Child,
    ProcessFailed,
    ProcessFlood,
    ProcessKilled,
    ProcessTimeout,
    Result,
    run,
    spawn,
)

__all__ = [
    "Child",
    "ProcessFailed",
    "ProcessFlood",
    "ProcessKilled",
    "ProcessTimeout",
    "Result",
    "run",
    "spawn",
]
