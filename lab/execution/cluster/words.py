# SPDX-License-Identifier: GPL-2.0-only
"""What a worker says of a job while it runs, and what comes of one."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path

from lab.build import Step
from lab.build.brought import Made
from lab.errors import LabError
from lab.execution.cluster.parcel import Bundle
from lab.model.recipe import Boot
from lab.model.records import JobRecord, TestResult


@dataclass(frozen=True)
class Begun:
    """A host began with a job; ``at`` is its clock."""

    number: int
    host: str
    worker: str
    at: float


@dataclass(frozen=True)
class Said:
    """What a job's host says of it: a result, what is to be shown, or its guest's last line.

    Attributes:
        shown: Whether whoever waits is to be told; else it only tells how far the job was.
    """

    number: int
    worker: str
    what: TestResult | str
    shown: bool = True


@dataclass(frozen=True)
class Told:
    """What a host says of itself, to be shown."""

    host: str
    line: str


@dataclass(frozen=True)
class Compiled:
    """How far a build is."""

    number: int
    worker: str
    step: Step


#: In a message of Dask's, which takes bytes.
Word = Begun | Said | Told | Compiled


def packed(word: Word) -> bytes:
    """As it goes through the scheduler."""
    return pickle.dumps(word)


def unpacked(content: bytes) -> Word:
    """What packed() made, of a worker that TLS or this host vouches for."""
    word: Word = pickle.loads(content)  # noqa: S301
    return word


@dataclass(frozen=True)
class Done:
    """A job's record, what it left in its folder, and how its host started its guests."""

    host: str
    record: JobRecord
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    boot: Boot | None = None


@dataclass(frozen=True)
class Wants:
    """A worker has not all that a job takes: it is to be sent, and the job to come again."""

    worker: str
    bundles: tuple[Bundle, ...]


@dataclass(frozen=True)
class Failed:
    """A host could not do a job, and another may: its process was killed, the disk is full.

    Attributes:
        done: What came of it all the same, for where there is no other.
    """

    host: str
    worker: str
    error: LabError
    done: Done | None = None


@dataclass(frozen=True)
class NotBegun:
    """The run ended first."""


@dataclass(frozen=True)
class Built:
    """A build, made by a worker or there already."""

    host: str
    worker: str
    made: Made


@dataclass(frozen=True)
class NotBuilt:
    """The kernel does not build: that is its own fault, wherever that was found out.

    Attributes:
        log: What make said, and where that lies on its host.
    """

    host: str
    error: LabError
    log: bytes
    place: Path | None


BuildOutcome = Built | NotBuilt | Failed | NotBegun
Outcome = Done | Wants | Failed | NotBegun
