# SPDX-License-Identifier: GPL-2.0-only
"""Recorded runs, told: as a table, as JSON, as an exit status."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lab.report.document import to_json

if TYPE_CHECKING:
    from lab.report.table import print_run
    from lab.report.verdicts import (
        print_verification,
        verification_status,
        verification_to_json,
    )

__all__ = [
    "print_run",
    "print_verification",
    "to_json",
    "verification_status",
    "verification_to_json",
]


def __getattr__(name: str) -> Any:
    # Rich takes a tenth of a second to import: only who prints a table waits for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "table" if name == "print_run" else "verdicts"
    return getattr(import_module(f"lab.report.{module}"), name)
