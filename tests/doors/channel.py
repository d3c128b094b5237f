# SPDX-License-Identifier: GPL-2.0-only
"""A channel that writes each night, with news or without, into a file beside the runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.config import LoadedConfig
from lab.nightly.message import subject_of
from lab.nightly.night import Night


@dataclass(frozen=True)
class Diary:
    """The file; its folder is there or it is not."""

    path: Path

    @property
    def plan(self) -> str:
        return f"each night is written down in {self.path.name}"

    @property
    def target(self) -> str:
        return self.path.name

    def is_due(self, night: Night) -> bool:
        return True

    def pack(self, night: Night) -> Mapping[str, Any]:
        return {"line": subject_of(night)}

    def deliver(self, parcel: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(f"{parcel['line']}\n")


def diary(loaded: LoadedConfig) -> Diary:
    """A diary in the folder of the results."""
    return Diary(loaded.results / "diary.txt")
