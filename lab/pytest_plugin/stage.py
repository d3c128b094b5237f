# SPDX-License-Identifier: GPL-2.0-only
"""Where the test that runs is played: the guest it asks, and its filesystem."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from lab.guest.wire import Message, Wire
from lab.pytest_plugin.remote import Filesystem, Guest


@dataclass(frozen=True)
class Stage:
    """What the fixtures give."""

    guest: Guest
    filesystem: Filesystem

    @staticmethod
    def of(wire: Wire, asked: Message) -> Stage:
        """The stage of a test that a lab asks for."""
        place: dict[str, Any] = asked["place"]
        guest = Guest(wire, str(place["variant"]), str(place["release"]))
        mounted = Filesystem(str(place["filesystem"]), str(place["folder"]), place["proofs"])
        return Stage(guest, mounted)

    @property
    def asked(self) -> bool:
        """Whether the test has had any word of its guest."""
        return self.guest.asked or self.filesystem.asked


_STAGES: list[Stage] = []


@contextmanager
def on_stage(stage: Stage) -> Iterator[None]:
    """While a test runs there."""
    _STAGES.append(stage)
    try:
        yield
    finally:
        _STAGES.pop()
        stage.guest.leave()


def current() -> Stage:
    """That of the test which runs now."""
    if not _STAGES:
        pytest.fail(
            "a guest is had by tests alone: this fixture is of a wider scope", pytrace=False
        )
    return _STAGES[-1]
