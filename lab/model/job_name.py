# SPDX-License-Identifier: GPL-2.0-only
"""What a job is called for a reader: its variant, and the machine and config it is not without."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: The machine, and the config, that nobody has to name.
DEFAULT = "default"


class Around(NamedTuple):
    """The machine and the config of a job: what it is about beside its variant."""

    machine: str
    config: str

    def words(self, axes: Iterable[str] = ("machine", "config")) -> tuple[str, ...]:
        """``machine numa``, ``config kasan``: of these axes, what is not the default."""
        named = ((axis, getattr(self, axis)) for axis in axes)
        return tuple(f"{axis} {name}" for axis, name in named if name not in (DEFAULT, ""))

    def heading(self, axes: Iterable[str]) -> str:
        """``config default, machine numa``: what a group of jobs has in common, all of it."""
        return ", ".join(f"{axis} {getattr(self, axis) or 'unknown'}" for axis in axes)


def job_name(variant: str, machine: str, config: str) -> str:
    """``6.1 machine numa config kasan``; no two jobs of a run have one name.

    The axis is named, too: a machine and a config may be called alike.
    """
    return " ".join([variant, *Around(machine, config).words()])


def axes_of(arounds: Iterable[Around]) -> tuple[str, ...]:
    """On which of the two some of these differ."""
    found = list(arounds)
    return tuple(
        axis for axis in ("config", "machine") if len({getattr(one, axis) for one in found}) > 1
    )
