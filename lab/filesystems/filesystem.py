# SPDX-License-Identifier: GPL-2.0-only
"""What a filesystem under test is: how it is made and mounted, and what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from lab.errors import InfrastructureError
from lab.model.version import KernelVersion


class NotProved(InfrastructureError):
    """A mounted filesystem could not be proved to be what it promises."""


class CannotMount(InfrastructureError):
    """The kernel is older than what the mount asks of it, and said so: nobody's fault."""


class Proof(Protocol):
    """Something that a filesystem promises, and that its guest has to show after the mount."""

    @property
    def name(self) -> str:
        """As records have it: ``dax``."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Guest programs of ``guest-tests/`` that ask() runs."""

    @property
    def by_hand(self) -> str:
        """Shell code for a guest without the lab: what the lines in /tmp/proof do not show."""

    def ask(self, folder: str) -> str:
        """Shell commands that print what there is to say of ``folder``, as KEY=VALUE lines."""

    def check(self, filesystem: str, said: Mapping[str, str]) -> str:
        """What proves it, in a few words; raises NotProved."""


class Filesystem(Protocol):
    """A filesystem as ``lab.toml`` names it: frozen, and picklable.  Equal ones are one mount."""

    @property
    def name(self) -> str:
        """As ``lab.toml`` and results call it."""

    @property
    def type(self) -> str:
        """As mount(8) does."""

    @property
    def device(self) -> str:
        """What it is mounted from, in /proc/mounts: no other's mount has it."""

    @property
    def mount_point(self) -> str:
        """Where it is mounted in the guest."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Programs of the host that make() needs in a guest."""

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same with what a kernel of ``version`` can mount, by the tools of this host.

        Args:
            cache: Where the answers of the host's tools are kept.

        Raises:
            InfrastructureError: A tool is missing, or does not run.
        """

    def make(self) -> str:
        """The shell command that makes it; "" where a mount is all it takes."""

    def mount(self) -> str:
        """The shell command that mounts it."""

    def prove(self) -> tuple[Proof, ...]:
        """What it promises to be, each with its proof; nothing is an answer, too."""

    def check_refusal(self, log: str) -> None:
        """Raise CannotMount if this kernel is too old, and ``log`` of a failed mount says so."""

    def describe(self) -> str:
        """How it is made and mounted, in a line: two that differ in it are two setups."""
