# SPDX-License-Identifier: GPL-2.0-only
"""The forms that other tools read a run in: a line for each, and nothing else names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.model.maker import made_by

if TYPE_CHECKING:
    from lab.model.records import RunRecord


@dataclass(frozen=True)
class Exporter:
    """A form that ``lab export`` can write.

    Attributes:
        help: What it is, for people.
        extension: What the name of a file of it ends with.
        writer: ``MODULE:NAME`` of what makes text of a run, and of what its reader is to
            call this lab.
        kept: Whether each run's folder has it.
    """

    help: str
    extension: str
    writer: str
    kept: bool = False

    def text(self, run: RunRecord, origin: str = "lab") -> str:
        """A run in this form, its tests' names told apart before.

        Raises:
            UserError: The form can do nothing with it.
        """
        write: Callable[[RunRecord, str], str] = made_by(self.writer)
        return write(run, origin)


EXPORTERS: dict[str, Exporter] = {
    "junit": Exporter("JUnit XML", ".xml", "lab.report.export.junit:junit_text", kept=True),
    "ktap": Exporter("KTAP", ".ktap", "lab.report.export.ktap:ktap_text"),
    "kcidb": Exporter("KCIDB's JSON", ".json", "lab.report.export.kcidb:kcidb_text"),
}


def one_of(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last
