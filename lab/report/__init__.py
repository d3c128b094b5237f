# SPDX-License-Identifier: GPL-2.0-only
"""Recorded runs, told: as a table, as JSON, as an exit status."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.report.document import to_json
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


#: Rich takes a tenth of a second to import: only who prints a table waits for it.
_MODULES = {"print_run": "table", "to_json": "document"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lab.report.{_MODULES.get(name, 'verdicts')}"), name)
