# SPDX-License-Identifier: GPL-2.0-only
"""A recorded run in the forms that other tools read."""

from __future__ import annotations

from pathlib import Path

from lab.analysis.repeated import pooled
from lab.analysis.test_names import told_apart
from lab.errors import UserError
from lab.model.records import RunRecord
from lab.report.export.forms import EXPORTERS, Place, one_of
from lab.results.folder import write_text


def exported(run: RunRecord, form: str, place: Place | None = None) -> str:
    """The run in one of EXPORTERS.

    Args:
        place: Of its origin KCIDB takes lower-case letters, digits, "_".

    Raises:
        UserError: There is no such form, the origin is none, or KCIDB can do nothing with
            such a run.
    """
    exporter = EXPORTERS.get(form)
    if exporter is None:
        raise UserError(f"there is no format {form!r}", hint=one_of(EXPORTERS))
    return exporter.text(told_apart(pooled(run)), place)


def keep_exports(run: RunRecord, folder: Path) -> None:
    """Write the forms that a run's folder has, ``junit.xml`` among them.

    Raises:
        InfrastructureError: A file cannot be written.
    """
    for name, exporter in EXPORTERS.items():
        if exporter.kept:
            text = exporter.text(told_apart(pooled(run)))
            write_text(folder / f"{name}{exporter.extension}", text)
