# SPDX-License-Identifier: GPL-2.0-only
"""Patch series, and what they make of a tree: an overlay, exactly or not at all."""

from lab.patches.apply import Applied, Note, Offset, apply, carries
from lab.patches.check import check_index
from lab.patches.fit import Fit, PatchFit, SeriesFit, apply_series, fit_series
from lab.patches.overlay import Overlay, Replacement
from lab.patches.patch import Patch, load_patch
from lab.patches.refusal import Refused
from lab.patches.series import Series, load_series
from lab.patches.upstream import Upstream

__all__ = [
    "Applied",
    "Fit",
    "Note",
    "Offset",
    "Overlay",
    "Patch",
    "PatchFit",
    "Refused",
    "Replacement",
    "Series",
    "SeriesFit",
    "Upstream",
    "apply",
    "apply_series",
    "carries",
    "check_index",
    "fit_series",
    "load_patch",
    "load_series",
]
