# SPDX-License-Identifier: GPL-2.0-only
"""How far a build is: make's steps, counted, and how many there are going to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.arch import ARCH
from lab.build.make import Make, Step
from lab.model.version import KernelVersion
from lab.process.stored import read_stored


@dataclass
class Steps:
    """Counts the steps of one build, and tells each with its number.

    ``total`` is how many there are going to be, as far as anybody knows.
    """

    tell: Callable[[Step], None] | None = None
    total: int | None = None
    done: int = 0

    def __call__(self, step: Step) -> None:
        """Make did a step."""
        self.done += 1
        if self.tell:
            self.tell(replace(step, number=self.done, total=self.total))

    def expect(self, known: int | None, make: Make) -> None:
        """Say how many steps it takes; without ``known`` kbuild is asked."""
        if known is None:
            # It takes 5 s to say what it would do, once it has made what decides that.
            make("prepare", on_step=self)
            planned = make.count(ARCH.image)
            known = self.done + planned if planned else None
        self.total = known


def known_steps(builds: Path, config: str, version: KernelVersion) -> int | None:
    """The steps of a build from nothing of such a kernel, if there was one.

    Args:
        builds: The folder of all builds.
        config: The digest of the options; with the same ones a near version will do.
    """
    found = [row for row in _rows(builds) if row.config == config or row.is_of(version)]
    nearest = min(found, key=lambda row: row.distance(config, version), default=None)
    return nearest.steps if nearest else None


@dataclass(frozen=True)
class _Row:
    config: str
    version: KernelVersion
    steps: int

    def is_of(self, version: KernelVersion) -> bool:
        return self.distance(self.config, version) == (False, 0, 0)

    def distance(self, config: str, version: KernelVersion) -> tuple[bool, int, int]:
        return (
            self.config != config,
            abs(self.version.version - version.version),
            abs(self.version.patchlevel - version.patchlevel),
        )


def _rows(builds: Path) -> Iterator[_Row]:
    for path in builds.glob("*/build.json"):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            record = read_stored(path, dict[str, Any]) or {}
            if isinstance(steps := record.get("steps"), int) and steps > 0:
                version = KernelVersion.parse(record["version"])
                yield _Row(record["config"], version, steps)
