# SPDX-License-Identifier: GPL-2.0-only
"""A filesystem that the lab does not come with: all that one takes beside a line in kinds.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.config.model import Filesystem
from lab.filesystems.filesystem import NotProved, Proof
from lab.filesystems.plain import Tmpfs


@dataclass(frozen=True)
class NoExec:
    """That nothing on it can be run: asked of the guest's own table of mounts."""

    name: str = "noexec"
    programs: tuple[str, ...] = ()
    by_hand: str = "grep -q '^noexec=yes' /tmp/proof || echo 'is not noexec'"

    def ask(self, folder: str) -> str:
        """One line, ``noexec=yes`` where it is so."""
        return f"grep -q ' {folder} ramfs .*noexec' /proc/mounts && echo noexec=yes || :"

    def check(self, filesystem: str, said: Mapping[str, str]) -> str:
        """Raise NotProved without that line."""
        if said.get("noexec") != "yes":
            raise NotProved(f"{filesystem} is not proved to be noexec")
        return "mount option"


@dataclass(frozen=True)
class Ramfs(Tmpfs):
    """What tmpfs is made of."""

    type: str = "ramfs"

    def prove(self) -> tuple[Proof, ...]:
        """What its options promise."""
        return (NoExec(),) if "noexec" in self.options else ()


def ramfs(name: str, table: Filesystem) -> Ramfs:
    """The one that a table of ``lab.toml`` describes."""
    return Ramfs(name, table.mount_options)
