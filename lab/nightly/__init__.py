# SPDX-License-Identifier: GPL-2.0-only
"""Every night: refresh, build, test, compare with the night before, tell what changed."""

from lab.nightly.judgement import Finding, Judgement, Kind
from lab.nightly.night import Night, nightly, nightly_plan

__all__ = ["Finding", "Judgement", "Kind", "Night", "nightly", "nightly_plan"]
