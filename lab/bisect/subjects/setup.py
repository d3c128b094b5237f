# SPDX-License-Identifier: GPL-2.0-only
"""What is built and tested of a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lab.bisect.point import Point
from lab.bisect.subject import Subject
from lab.builder import Builder
from lab.model.variant import Variant


@dataclass(frozen=True)
class Setup:
    """A point as a builder takes it.

    Args:
        builder: Of a ``lab.toml`` that knows the variant's kernel and series, and the config.
        config: Of the kernel; "" is the one that is tested with anyway.
    """

    builder: Builder
    variant: Variant
    config: str = ""


class Buildable(Subject, Protocol):
    """A subject whose points are kernels that can be built."""

    def setup(self, point: Point) -> Setup:
        """What is built of a point.

        Raises:
            LabError: It cannot be found out: its tree cannot be had, say.
        """
