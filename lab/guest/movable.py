# SPDX-License-Identifier: GPL-2.0-only
"""What guests are made from where they are asked for on one host, and run on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable


class Files(NamedTuple):
    """Files of one folder, by their paths from there."""

    folder: Path
    names: tuple[str, ...]


@runtime_checkable
class Movable(Protocol):
    """A GuestSpec that takes files, and knows what is true of one host only."""

    @property
    def accelerator(self) -> str:
        """What its host has to have for it: ``kvm``, ``tcg``; "" is what that has."""

    def files(self) -> Iterator[Files]:
        """All that it takes of this host's disk."""

    def settled(self, place: Callable[[Path], Path], cache: Path) -> Self:
        """The same for the host that this process is on.

        Args:
            place: Where on this host a file or folder of files() is.
            cache: This host's, for what it keeps of its guests.

        Raises:
            InfrastructureError: This host cannot have such guests.
        """
