# SPDX-License-Identifier: GPL-2.0-only
"""What a run is to do, by its names: as it is planned, and as its record has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.model.job_name import Around, job_name
from lab.model.variant import Variant


@dataclass(frozen=True)
class BuildRequest:
    """A variant to build with a config, by its name."""

    variant: Variant
    config: str

    @property
    def name(self) -> str:
        """What it is called for a reader."""
        return job_name(self.variant, "", self.config)


@dataclass(frozen=True)
class JobPlan:
    """One guest of one build: each suite on each filesystem.

    Names lead into the config.  ``pattern`` selects tests; None is all of them.  All of it
    is done ``repeat`` times, each time in guests of its own.
    """

    variant: Variant
    config: str
    machine: str
    filesystems: tuple[str, ...]
    suites: tuple[str, ...]
    pattern: str | None = None
    repeat: int = 1

    @property
    def names(self) -> tuple[str, str, str]:
        """What tells it from others of its plan: variant, machine, config."""
        return self.variant, self.machine, self.config

    @property
    def around(self) -> Around:
        """Its machine and config."""
        return Around(self.machine, self.config)

    @property
    def name(self) -> str:
        """The same names for a reader."""
        return job_name(*self.names)

    @property
    def build(self) -> BuildRequest:
        """The build that this job boots."""
        return BuildRequest(self.variant, self.config)

    def suite_of(self, name: str) -> str:
        """The suite that a file ``SUITE.PROGRAM.ktap`` is of; "" for none of its own."""
        return longest_before(name, self.suites)

    def to_json(self) -> dict[str, object]:
        """The job as values the ``json`` module knows."""
        return {
            "variant": str(self.variant),
            "config": self.config,
            "machine": self.machine,
            "filesystems": list(self.filesystems),
            "suites": list(self.suites),
            "pattern": self.pattern,
            # What older labs recorded of a plan names the same plan still.
            **({"repeat": self.repeat} if self.repeat > 1 else {}),
        }

    def describe(self) -> str:
        """One line: what is booted, and what is run in it."""
        text = (
            f"{self.variant} (config {self.config}) on machine {self.machine}: "
            f"{', '.join(self.suites)} on {', '.join(self.filesystems)}"
        )
        text += f", tests like {self.pattern!r}" if self.pattern else ""
        return f"{text}, {self.repeat} times" if self.repeat > 1 else text


@dataclass(frozen=True)
class Planned:
    """The plan of a run: ``digest`` names all of it, and no word about it.

    Args:
        name: Of the matrix, or of what somebody put together for once.
        digest: Two plans with one digest do the same; "" in records of older labs.
    """

    name: str
    digest: str
    jobs: tuple[JobPlan, ...] = ()

    @property
    def suite_runs(self) -> int:
        """How often a suite is to run, on each filesystem of each job."""
        return sum(len(job.filesystems) * len(job.suites) * job.repeat for job in self.jobs)

    def is_as(self, other: Planned) -> bool:
        """Whether both do the same; of a record that does not tell nobody knows."""
        return self.digest == other.digest != ""

    def place(self, job: tuple[str, str, str]) -> int:
        """Where in the plan a job of these names is; 0 for one that is not in it."""
        return next((n for n, one in enumerate(self.jobs) if one.names == job), 0)


def longest_before(text: str, names: Iterable[str]) -> str:
    """The longest of the names that ``text`` begins with, a dot after it; "" for none.

    A name may have dots in it, and be another's beginning.
    """
    found = (name for name in names if text.startswith(f"{name}."))
    return max(found, key=len, default="")
