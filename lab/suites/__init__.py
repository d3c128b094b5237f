# SPDX-License-Identifier: GPL-2.0-only
"""Guest programs' KTAP: read, and judged test by test."""

from lab.suites.judge import Ended, Judged, judge
from lab.suites.ktap import Report, Test, parse
from lab.suites.metric import Metric, parse_metric

__all__ = ["Ended", "Judged", "Metric", "Report", "Test", "judge", "parse", "parse_metric"]
