# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can do, and the command that mends what it cannot."""

from lab.doctor.examine import examine
from lab.doctor.finding import STAGES, Finding, Stage, render
from lab.doctor.tools import check, missing_packages, require

__all__ = [
    "STAGES",
    "Finding",
    "Stage",
    "check",
    "examine",
    "missing_packages",
    "render",
    "require",
]
