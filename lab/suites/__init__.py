# SPDX-License-Identifier: GPL-2.0-only
"""Guest programs' KTAP: read, and judged test by test."""

from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import Report, Test, parse

__all__ = ["Ended", "Judged", "Report", "Test", "judge", "parse"]
