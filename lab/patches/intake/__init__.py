# SPDX-License-Identifier: GPL-2.0-only
"""Patches as they come: a file, a mailbox, a thread; what of it is the series, and its folder."""

from lab.patches.intake.archive import is_thread
from lab.patches.intake.keep import Intake, left_out_row
from lab.patches.intake.read import read_intake
from lab.patches.intake.source import is_source

__all__ = ["Intake", "is_source", "is_thread", "left_out_row", "read_intake"]
