# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems that are made and mounted, and promise no more."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lab.config.model import Filesystem as Table
from lab.filesystems.dax_proof import NotDaxProof
from lab.filesystems.filesystem import Proof
from lab.filesystems.mkfs import QUIET, TOOLS, mkfs_options
from lab.filesystems.pmem import DEVICE
from lab.model.version import KernelVersion


@dataclass(frozen=True)
class Plain:
    """A mkfs and a mount of the persistent memory, as of any block device."""

    name: str
    type: str
    mkfs: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def device(self) -> str:
        """The one device there is."""
        return DEVICE

    @property
    def mount_point(self) -> str:
        """Where it is mounted in the guest."""
        return f"/mnt/{self.name}"

    @property
    def tools(self) -> tuple[str, ...]:
        """Its mkfs."""
        return (TOOLS[self.type],)

    @property
    def is_dax(self) -> bool:
        """Whether its mount has to end up with DAX on."""
        return False

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same without the features of its format that the kernel does not mount."""
        mkfs = mkfs_options(self.type, self.mkfs, version, cache, dax=self.is_dax)
        return replace(self, mkfs=mkfs)

    def make(self) -> str:
        """Its mkfs, which says little and asks nothing."""
        return shlex.join((*self.tools, *QUIET.get(self.type, ()), *self.mkfs, self.device))

    def mount(self) -> str:
        """Its mount."""
        return _mount(self.type, self.options, self.device, self.mount_point)

    def prove(self) -> tuple[Proof, ...]:
        """Nothing."""
        return ()

    def check_refusal(self, log: str) -> None:
        """It asks nothing of a kernel that an older one would not have."""

    def describe(self) -> str:
        """How it is made and mounted."""
        return f"mkfs.{self.type} {' '.join(self.mkfs)}; mount{_with(self.options)}"


@dataclass(frozen=True)
class Tmpfs:
    """Memory of the guest, which no device is needed for."""

    name: str
    options: tuple[str, ...] = ()
    type: str = "tmpfs"
    tools: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """A name of its own: a guest has other mounts of this type."""
        return f"lab-{self.name}"

    @property
    def mount_point(self) -> str:
        """Where it is mounted in the guest."""
        return f"/mnt/{self.name}"

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same: every kernel has it."""
        return self

    def make(self) -> str:
        """Nothing."""
        return ""

    def mount(self) -> str:
        """Its mount."""
        return _mount(self.type, self.options, self.device, self.mount_point)

    def prove(self) -> tuple[Proof, ...]:
        """That it is not DAX."""
        return (NotDaxProof(),)

    def check_refusal(self, log: str) -> None:
        """Every kernel has it."""

    def describe(self) -> str:
        """How it is mounted."""
        return f"mount -t {self.type}{_with(self.options)}"


@dataclass(frozen=True)
class Nothing:
    """No filesystem under test: for programs that touch none, in a folder of the guest's own.

    What they say stands in a column of its own, and not in that of one they never saw.
    """

    name: str
    type: str = "none"
    tools: tuple[str, ...] = ()
    mount_point: str = "/tmp"  # noqa: S108  # the guest's

    @property
    def device(self) -> str:
        """A name that no mount has."""
        return f"lab-{self.name}"

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same."""
        return self

    def make(self) -> str:
        """Nothing."""
        return ""

    def mount(self) -> str:
        """Nothing, which succeeds."""
        return ":"

    def prove(self) -> tuple[Proof, ...]:
        """Nothing."""
        return ()

    def check_refusal(self, log: str) -> None:
        """Nothing was asked of the kernel."""

    def describe(self) -> str:
        """That it is none."""
        return f"none: {self.mount_point}"


def nothing(name: str, table: Table) -> Nothing:
    """The one that a table of ``lab.toml`` describes: it says no more than that."""
    return Nothing(name)


def tmpfs(name: str, table: Table) -> Tmpfs:
    """The one that a table of ``lab.toml`` describes."""
    return Tmpfs(name, table.mount_options)


def _mount(kind: str, options: Iterable[str], device: str, folder: str) -> str:
    given = ",".join(options)
    chosen = ("-o", given) if given else ()
    return shlex.join(("mount", "-t", kind, *chosen, device, folder))


def _with(options: tuple[str, ...]) -> str:
    return f" -o {','.join(options)}" if options else ""
