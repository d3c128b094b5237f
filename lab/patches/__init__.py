# SPDX-License-Identifier: GPL-2.0-only
"""Patch series, and what they make of a tree: an overlay, exactly or not at all."""

from lab.patches.apply import Applied, Note, Offset, apply
from lab.patches.check import check_index
from lab.patches.overlay import Overlay, Replacement
from lab.patches.patch import Patch, load_patch
from lab.patches.series import Series, load_series

__all__ = [
    "Applied",
    "Note",
    "Offset",
    "Overlay",
    "Patch",
    "Replacement",
    "Series",
    "apply",
    "check_index",
    "load_patch",
    "load_series",
]
