# SPDX-License-Identifier: GPL-2.0-only
"""What a run is to do, by its names: as it is planned, and as its record has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.model.job_name import Around, job_name
from lab.model.variant import Variant


@dataclass(frozen=True)
class BuildRequest:
    """A variant to build with a config, by its name.

    ``fragments`` are those that a machine wants beside the config's: machines that want the
    same have a build in common.
    """

    variant: Variant
    config: str
    fragments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called for a reader."""
        name = job_name(self.variant, "", self.config)
        return f"{name} with {', '.join(self.fragments)}" if self.fragments else name


@dataclass(frozen=True)
class JobPlan:
    """One guest of one build: each suite on each filesystem.

    Names lead into the config.  ``pattern`` selects tests; None is all of them.  All of it
    is done ``repeat`` times, each time in guests of its own.  ``own`` are suites that run on
    a filesystem of their own alone, each with that.  ``fragments`` are what the machine wants
    beside the config's.
    """

    variant: Variant
    config: str
    machine: str
    filesystems: tuple[str, ...]
    suites: tuple[str, ...]
    pattern: str | None = None
    repeat: int = 1
    own: tuple[tuple[str, str], ...] = ()
    fragments: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """What is run on what: (filesystem, suite) pairs in their order."""
        own = dict(self.own)
        return tuple(
            (filesystem, suite)
            for filesystem in dict.fromkeys((*self.filesystems, *own.values()))
            for suite in self.suites
            if own.get(suite, filesystem) == filesystem
            and (suite in own or filesystem in self.filesystems)
        )

    @property
    def used_filesystems(self) -> tuple[str, ...]:
        """Those on which anything is run."""
        return tuple(dict.fromkeys(filesystem for filesystem, _ in self.places))

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
        return BuildRequest(self.variant, self.config, self.fragments)

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
            # Where there are none a plan is named as it always was.
            **({"own": dict(self.own)} if self.own else {}),
            **({"fragments": list(self.fragments)} if self.fragments else {}),
        }

    def _alike(self) -> Iterator[tuple[str, ...]]:
        """The filesystems, those together that have the same suites."""
        suites: dict[str, tuple[str, ...]] = {}
        for filesystem, suite in self.places:
            suites[filesystem] = (*suites.get(filesystem, ()), suite)
        for same in dict.fromkeys(suites.values()):
            yield tuple(name for name, some in suites.items() if some == same)

    def describe(self) -> str:
        """One line: what is booted, and what is run in it."""
        where = (
            f"{', '.join(suite for on, suite in self.places if on == some[0])} on {', '.join(some)}"
            for some in self._alike()
        )
        text = (
            f"{self.variant} (config {self.config}) on machine {self.machine}: {'; '.join(where)}"
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
        return sum(len(job.places) * job.repeat for job in self.jobs)

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
