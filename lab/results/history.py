# SPDX-License-Identifier: GPL-2.0-only
"""One test across runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.model.records import is_as_expected
from lab.model.status import Status


@dataclass(frozen=True)
class Seen:
    """How a test ended once; ``started`` is its job's start, ISO 8601, UTC."""

    run: str
    started: str
    variant: str
    kernel_release: str
    machine: str
    config: str
    filesystem: str
    suite: str
    test: str
    status: Status
    expected: Status
    message: str
    duration_s: float
    build_key: str
    setup: str
    accelerator: str
    program: str = ""

    @property
    def as_expected(self) -> bool:
        """See is_as_expected()."""
        return is_as_expected(self.status, self.expected)

    @property
    def place(self) -> tuple[str, ...]:
        """What a line of its history is about: everything but when."""
        return (*self.name, self.program)

    @property
    def name(self) -> tuple[str, ...]:
        """As ``place``, whatever the program: older labs did not keep it."""
        return (self.suite, self.test, self.filesystem, self.variant, self.machine, self.config)

    def to_json(self) -> dict[str, Any]:
        """The result as values the ``json`` module knows."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "status": self.status.value,
            "expected": self.expected.value,
            "as_expected": self.as_expected,
        }
