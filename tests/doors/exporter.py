# SPDX-License-Identifier: GPL-2.0-only
"""A form of a run: a line for each test."""

from __future__ import annotations

from lab.model.records import RunRecord
from lab.report.export.forms import Exporter, Place


def lines_text(run: RunRecord, place: Place) -> str:
    """``NAME: STATUS TEST``, in the order that they ran."""
    return "".join(f"{place.origin}: {result.status} {result.test}\n" for result in run.results)


LINES = Exporter("lines", ".txt", f"{__name__}:lines_text", kept=True)
