# SPDX-License-Identifier: GPL-2.0-only
"""Suites whose programs run on this host, and ask a guest what they want to know."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lab.errors import LabError
from lab.guest.guest import Guest
from lab.model.proof import Proofs


@dataclass(frozen=True)
class Place:
    """Where a test runs: ``folder`` is the filesystem's, ``proofs`` what it proved to be."""

    variant: str
    release: str
    filesystem: str
    folder: str
    proofs: Proofs = ()


@dataclass(frozen=True)
class HostEnd:
    """How a test ended.

    Attributes:
        output: What it printed, and what its harness makes of that: for the suite's judge().
        status: As an exit status; None where nobody knows.
        trouble: What the guest, or the lab, came to meanwhile: that decides, whatever the test
            itself made of it.
    """

    output: str
    status: int | None
    trouble: LabError | None = None


class Players(Protocol):
    """Has tests of programs played; processes that it takes for that end with its block."""

    def tests(self, program: str, variant: str, filesystem: str, pattern: str) -> Sequence[str]:
        """Which tests of a program run on a filesystem of a variant, in order.

        Raises:
            UserError: The program is at fault.
            InfrastructureError: It cannot be asked.
        """

    def play(
        self, program: str, test: str, guest: Guest, place: Place, deadline_s: float
    ) -> HostEnd:
        """Run a test, which asks the guest; whatever becomes of both, that is its end.

        Args:
            deadline_s: Seconds it has from when it begins.
        """


@runtime_checkable
class OnHost(Protocol):
    """A Suite of such programs."""

    def players(self) -> AbstractContextManager[Players]:
        """Who plays them; for one process's use."""
