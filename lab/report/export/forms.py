# SPDX-License-Identifier: GPL-2.0-only
"""The forms that other tools read a run in: a line for each, and nothing else names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.model.maker import made_by

if TYPE_CHECKING:
    from lab.model.records import RunRecord


@dataclass(frozen=True)
class Place:
    """Where a run is exported, which its record does not tell.

    Args:
        origin: What a reader is to call this lab.
        results: The folder of the runs' folders; None where their files are not to be read.
        patches: The folder of the series.
    """

    origin: str = "lab"
    results: Path | None = None
    patches: Path | None = None


@dataclass(frozen=True)
class Exporter:
    """A form that ``lab export`` can write.

    Attributes:
        help: What it is, for people.
        extension: What the name of a file of it ends with.
        writer: ``MODULE:NAME`` of what makes text of a run and a Place.
        kept: Whether each run's folder has it.
    """

    help: str
    extension: str
    writer: str
    kept: bool = False

    def text(self, run: RunRecord, place: Place | None = None) -> str:
        """A run in this form, its tests' names told apart before.

        Raises:
            UserError: The form can do nothing with it.
        """
        write: Callable[[RunRecord, Place], str] = made_by(self.writer)
        return write(run, place or Place())


EXPORTERS: dict[str, Exporter] = {
    "junit": Exporter("JUnit XML", ".xml", "lab.report.export.junit:junit_text", kept=True),
    "ktap": Exporter("KTAP", ".ktap", "lab.report.export.ktap:ktap_text"),
    "kcidb": Exporter("KCIDB's JSON", ".json", "lab.report.export.kcidb:kcidb_text"),
    "github": Exporter("GitHub's", ".md", "lab.report.export.github:github_text"),
}


def one_of(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last
