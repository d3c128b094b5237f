# SPDX-License-Identifier: GPL-2.0-only
"""The one gate for child processes."""

from lab.process.child import (
    Child,
    ProcessFailed,
    ProcessKilled,
    ProcessTimeout,
    Result,
    run,
    spawn,
)

__all__ = ["Child", "ProcessFailed", "ProcessKilled", "ProcessTimeout", "Result", "run", "spawn"]
