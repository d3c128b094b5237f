# SPDX-License-Identifier: GPL-2.0-only
"""Recorded runs, told: as a table, as JSON, as an exit status."""

from lab.report.document import to_json
from lab.report.status import run_status
from lab.report.table import print_run
from lab.report.verdicts import (
    print_verification,
    verification_status,
    verification_to_json,
)

__all__ = [
    "print_run",
    "print_verification",
    "run_status",
    "to_json",
    "verification_status",
    "verification_to_json",
]
