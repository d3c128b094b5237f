# SPDX-License-Identifier: GPL-2.0-only
"""What the lab is doing, on stderr: a progress bar on a terminal, lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from lab.build import Step

if TYPE_CHECKING:
    from lab.results import TestResult

_OBJECTS = frozenset({"CC", "AS", "HOSTCC", "LD", "AR"})


class Steps:
    """How many steps the last full build took, so that the bar has an end."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / "steps.json"
        try:
            self._counts: dict[str, int] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            self._counts = {}

    def total(self, kernel: str) -> int | None:
        """The steps of the longest build of this kernel so far, if there was one."""
        return self._counts.get(kernel)

    def learn(self, kernel: str, steps: int) -> None:
        """Remember a build's steps when it was the longest."""
        if steps > self._counts.get(kernel, 0):
            self._counts[kernel] = steps
            beside = self._path.with_name(f".{self._path.name}")
            beside.write_text(json.dumps(self._counts))
            beside.replace(self._path)


class Show:
    """A listener in a ``with`` block that shows progress on stderr."""

    def __init__(self, cache: Path, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[last]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._steps = Steps(cache)
        self._done: Counter[str] = Counter()
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Show:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for variant, steps in self._done.items():
            if kind is None:
                self._steps.learn(variant.partition("+")[0], steps)
        self._progress.stop()

    def say(self, message: str) -> None:
        """One line on stderr."""
        self._console.print(message, markup=False)

    def step(self, variant: str, step: Step) -> None:
        """Move the bar of a variant's build."""
        self._done[variant] += 1
        kernel = variant.partition("+")[0]
        if variant not in self._tasks:
            # Only the first variant of a kernel compiles everything.
            total = self._steps.total(kernel) if kernel == variant else None
            self._tasks[variant] = self._progress.add_task(variant, total=total, last="")
        last = f"{step.tool} {step.target}"[:36].ljust(36)
        self._progress.update(self._tasks[variant], advance=1, last=last)

    def result(self, result: TestResult) -> None:
        """Count a result on the bar of its variant and filesystem."""
        name = f"{result.variant} {result.filesystem}"
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, last="")
        self._progress.update(
            self._tasks[name], advance=1, last=f"{result.status} {result.test}"[:36].ljust(36)
        )


def print_json(value: Mapping[str, object]) -> None:
    """The only thing ``--json`` prints on stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
