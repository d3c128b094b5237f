# SPDX-License-Identifier: GPL-2.0-only
"""How often jobs were begun, on which hosts, and what was heard of each before it went silent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lab.errors import LabError
from lab.execution.cluster.words import Begun, Said
from lab.model.job_error import Fault, JobError
from lab.model.records import TestResult

#: What a job may kill, or fail on, before it is the job's own doing.
MOST = 2


@dataclass
class Attempt:
    """A job on one worker.

    Attributes:
        last: What was heard of it last.
        why: Why it came to nothing; "" where its worker was simply no more.
    """

    host: str
    worker: str
    last: str = "nothing"
    why: str = ""
    told: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __str__(self) -> str:
        why = self.why or f"the worker {self.worker} was killed, or its host is gone"
        return f"{self.host}: {why}; last heard: {self.last}"


class Attempts:
    """Of all jobs of a run, by number."""

    def __init__(self) -> None:
        self._of: dict[int, list[Attempt]] = {}
        self._most_told: dict[int, Counter[tuple[str, str, str]]] = {}

    def begin(self, word: Begun) -> Attempt | None:
        """Note that one began; the attempt before it, if there was one."""
        made = self._of.setdefault(word.number, [])
        before = made[-1] if made else None
        made.append(Attempt(word.host, word.worker))
        return before

    def of(self, number: int) -> list[Attempt]:
        """Those of a job, in order."""
        return self._of.get(number, [])

    def hear(self, word: Said) -> bool:
        """Take a word in; whether it is new, and not what an attempt before had told already."""
        current = next((one for one in reversed(self.of(word.number))
                        if one.worker == word.worker), None)  # fmt: skip
        if current is None:
            return False
        if isinstance(word.what, str):
            current.last = word.what
            return True
        current.last = _line(word.what)
        return self._is_new(word.number, current, word.what)

    def _is_new(self, number: int, attempt: Attempt, result: TestResult) -> bool:
        place = (result.filesystem, result.suite, result.test)
        attempt.told[place] += 1
        most = self._most_told.setdefault(number, Counter())
        if attempt.told[place] <= most[place]:
            return False
        most[place] = attempt.told[place]
        return True

    def fail(self, number: int, worker: str, host: str, error: LabError) -> None:
        """Note why the last attempt, on that worker, came to nothing."""
        made = self._of.setdefault(number, [])
        if not made or made[-1].worker != worker:
            made.append(Attempt(host, worker))
        made[-1].why = str(error)

    def verdict(self, number: int, name: str) -> JobError:
        """What is recorded of a job that nobody could do: ours, never the kernel's."""
        made = self.of(number)
        hosts = ", ".join(dict.fromkeys(one.host for one in made)) or "a worker"
        came = "no host could do it" if all(one.why for one in made) else "its worker was lost"
        if len({bool(one.why) for one in made}) > 1:
            came = "its worker was lost or could not do it"
        return JobError(
            f"{name} was begun {len(made)} times, and each time {came} ({hosts})",
            detail="\n".join(map(str, made)),
            hint="the log of these workers; fewer guests at once there (guests in lab.toml), if "
            "memory ran out",
            fault=Fault.MACHINE,
        )


def _line(result: TestResult) -> str:
    return f"{result.filesystem} {result.suite} {result.test} {result.status}"
