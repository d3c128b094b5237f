# SPDX-License-Identifier: GPL-2.0-only
"""What the lab is doing, on stderr: a progress bar on a terminal, lines elsewhere."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from lab.build import Step
from lab.text import plain, replace_controls

if TYPE_CHECKING:
    from lab.model.records import TestResult

#: Without a terminal, how often it is said how far a build is.
_EVERY_S = 60.0
#: A build that says nothing for so long has ended, for all that is known.
_SILENT_S = 20.0
#: After so few steps nobody can tell how long the others take.
_FEW = 20
#: A variant of two series and its filesystem, a bar, the last step, both times.
_ALL_COLUMNS = 130
#: A count, the time, and how long it will take.
_NUMBERS = len(" 12345 0:00:00 less than 1 min left")


@dataclass(frozen=True)
class Far:
    """How far a build is, and since when (``time.monotonic()``)."""

    step: Step
    begun: float
    now: float

    @staticmethod
    def of(step: Step, before: Far | None) -> Far:
        """After another step; the first one of a build begins anew."""
        now = time.monotonic()
        return Far(step, now if before is None or step.number == 1 else before.begun, now)

    @property
    def left(self) -> str:
        """How long it will take, once that can be told; steps take much the same time."""
        if not self.step.total or self.step.number < _FEW or self.step.number > self.step.total:
            return ""
        to_do = self.step.total - self.step.number
        minutes = to_do * (self.now - self.begun) / self.step.number / 60
        return f"about {minutes:.0f} min left" if minutes >= 1 else "less than 1 min left"

    def __str__(self) -> str:
        """One line."""
        of = f" of about {self.step.total}" if self.step.total else ""
        left = f", {self.left}" if self.left else ""
        return f"{self.step.number}{of} steps{left} ({self.step.tool} {self.step.target})"


def _columns(width: int) -> tuple[ProgressColumn, ...]:
    """What there is room for: which variant, how far, and how long it takes come first."""
    last = TextColumn("{task.fields[last]}", markup=False)
    left = TextColumn("{task.fields[left]}", markup=False)
    if width >= _ALL_COLUMNS:
        return _Name(width), BarColumn(bar_width=20), last, TimeElapsedColumn(), left
    count = TextColumn("{task.completed:.0f}")
    return _Name(width - _NUMBERS), count, TimeElapsedColumn(), left


class _Name(ProgressColumn):
    """A variant; of one that is too long the end, since they begin alike rather than end alike."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = max(most, len("...") + 1)

    def render(self, task: Task) -> Text:
        name = task.description
        return Text(name if len(name) <= self._most else f"...{name[3 - self._most :]}")


class HowFar:
    """A listener in a ``with`` block that says once a minute how far each build is.

    Args:
        say: Where it says so.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._far: dict[str, Far] = {}
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> HowFar:
        self._teller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def say(self, message: str) -> None:
        """See Listener: of nothing but builds that take long."""

    def step(self, variant: str, step: Step) -> None:
        """See Listener."""
        self.note(variant, step)

    def result(self, result: TestResult) -> None:
        """See Listener: of nothing but builds that take long."""

    def note(self, variant: str, step: Step) -> Far:
        """How far a variant's build is after another step."""
        far = self._far[variant] = Far.of(step, self._far.get(variant))
        return far

    def _tell(self) -> None:
        told: dict[str, Far] = {}
        while not self._over.wait(_EVERY_S):
            # What takes a few seconds is mostly over when it would be told, and so is what
            # has been silent.
            now = time.monotonic()
            for variant, far in list(self._far.items()):
                fresh = told.get(variant) != far and now - far.now < _SILENT_S
                if fresh and now - far.begun >= _EVERY_S / 2:
                    self._say(f"{variant}: {far}")
                told[variant] = far


class Show:
    """A listener in a ``with`` block that shows progress on stderr."""

    def __init__(self, cache: Path, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._progress = Progress(
            *_columns(self._console.width),
            console=self._console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._how_far = HowFar(self.say)

    def __enter__(self) -> Show:
        self._progress.start()
        if self._progress.disable:
            self._how_far.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._how_far.__exit__(kind, error, trace)
        self._progress.stop()

    def say(self, message: str) -> None:
        """One line on stderr."""
        self._console.print(plain(message), markup=False)

    def step(self, variant: str, step: Step) -> None:
        """Move the bar of a variant's build."""
        far = self._how_far.note(variant, step)
        if variant not in self._tasks:
            self._tasks[variant] = self._progress.add_task(variant, total=None, last="", left="")
        self._progress.update(
            self._tasks[variant],
            completed=step.number,
            total=step.total,
            last=replace_controls(f"{step.tool} {step.target}"[:36]).ljust(36),
            left=far.left,
        )

    def result(self, result: TestResult) -> None:
        """Count a result on the bar of its variant and filesystem."""
        name = f"{result.variant} {result.filesystem}"
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, last="", left="")
        self._progress.update(self._tasks[name], advance=1, last=_last(result))


def _last(result: TestResult) -> str:
    return replace_controls(f"{result.status} {result.test}"[:36]).ljust(36)


def print_json(value: Mapping[str, object]) -> None:
    """The only thing ``--json`` prints on stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
