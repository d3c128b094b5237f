# SPDX-License-Identifier: GPL-2.0-only
"""The next guest starts while one works, and none is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any, ClassVar

import pytest

from lab.errors import InfrastructureError
from lab.execution import prefetch as module
from lab.execution.prefetch import Ahead
from lab.filesystems.dax import NotDax, Recipe
from lab.guest.command import CommandResult

EXT4, XFS = Recipe("e", "ext4", (), ("dax",)), Recipe("x", "xfs", (), ("dax",))


class FakeGuest:
    """Opens when ``go`` is set, unless it is closed first."""

    made: ClassVar[list[FakeGuest]]
    go: ClassVar[threading.Event]
    trouble: Exception | None = None
    mount_trouble: Exception | None = None
    prepared = CommandResult(0, "mode=raw", "", 0.0)

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.opened = self.closed = False
        self.mounted: list[Recipe] = []
        self.made.append(self)

    def open(self) -> None:
        while not self.go.wait(0.01):
            if self.closed:
                raise InfrastructureError("QEMU is gone")
        if self.trouble:
            raise self.trouble
        self.opened = True

    def set_up(self, recipe: Recipe) -> dict[str, str]:
        self.mounted.append(recipe)
        if self.mount_trouble:
            raise self.mount_trouble
        return {"mount": recipe.name}

    def close(self) -> None:
        self.closed = True


class Spec(int):
    """Numbers the guests."""

    made_as: ClassVar[type[FakeGuest]]

    def guest(self) -> FakeGuest:
        return self.made_as(self)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeGuest]:
    class Fake(FakeGuest):
        made: ClassVar[list[FakeGuest]] = []
        go = threading.Event()

    monkeypatch.setattr(Spec, "made_as", Fake, raising=False)
    monkeypatch.setattr(module, "set_up", lambda guest, recipe: guest.set_up(recipe))
    return Fake


def numbers() -> Callable[[], Any]:
    return map(Spec, count()).__next__


def test_the_next_guest_opens_before_it_is_asked_for(fake: type[FakeGuest]) -> None:
    fake.go.set()
    with closing(Ahead(numbers(), on=True)) as ahead:
        first = ahead.guest(ahead.spec(EXT4))
        ahead.begin(EXT4)
        ahead.begin(EXT4)
        assert [guest.spec for guest in fake.made] == [0, 1]
        assert ahead.spec(EXT4) == 1  # type: ignore[comparison-overlap]
        second = ahead.guest(ahead.spec(EXT4))
    assert not first.opened, "its block opens it"  # type: ignore[attr-defined]
    assert second is fake.made[1]  # type: ignore[comparison-overlap]
    assert (fake.made[1].opened, fake.made[1].closed) == (True, False)


def test_without_memory_for_two_each_waits_for_its_turn(fake: type[FakeGuest]) -> None:
    with closing(Ahead(numbers(), on=False)) as ahead:
        ahead.begin(EXT4)
        assert fake.made == []
        ahead.guest(ahead.spec(EXT4))
        ahead.guest(ahead.spec(EXT4))
    assert [guest.spec for guest in fake.made] == [0, 1]


def test_what_went_wrong_is_told_to_who_asks(fake: type[FakeGuest]) -> None:
    fake.trouble = InfrastructureError("no QEMU today")
    fake.go.set()
    with closing(Ahead(numbers(), on=True)) as ahead:
        ahead.begin(EXT4)
        spec = ahead.spec(EXT4)
        with pytest.raises(InfrastructureError, match="no QEMU today"):
            ahead.guest(spec)


@pytest.mark.parametrize("far", [False, True])
def test_a_guest_that_nobody_takes_is_ended(fake: type[FakeGuest], far: bool) -> None:
    """While it opens, and when it is open."""
    before = threading.active_count()
    with closing(Ahead(numbers(), on=True)) as ahead:
        ahead.begin(EXT4)
        if far:
            fake.go.set()
            while not fake.made[0].opened:
                pass
    assert fake.made[0].closed
    assert threading.active_count() == before


def test_a_filesystem_is_made_once(fake: type[FakeGuest]) -> None:
    fake.go.set()
    with closing(Ahead(numbers(), on=True)) as ahead:
        ahead.begin(EXT4)
        guest = ahead.guest(ahead.spec(EXT4))
        assert ahead.set_up(guest, EXT4) == {"mount": "e"}
        assert fake.made[0].mounted == [EXT4]
        # The same once more is a new one, and so is another.
        ahead.set_up(guest, EXT4)
        ahead.set_up(guest, XFS)
    assert fake.made[0].mounted == [EXT4, EXT4, XFS]


@pytest.mark.parametrize("status", [0, 9])
def test_what_was_not_mounted_ahead_is_no_proof(fake: type[FakeGuest], status: int) -> None:
    fake.go.set()
    fake.mount_trouble = NotDax("no DAX here")
    fake.prepared = CommandResult(status, "", "", 0.0)
    with closing(Ahead(numbers(), on=True)) as ahead:
        ahead.begin(EXT4)
        guest = ahead.guest(ahead.spec(EXT4))
        with pytest.raises(NotDax):
            ahead.set_up(guest, EXT4)


def test_another_filesystem_than_was_mounted_is_not_proved_by_it(fake: type[FakeGuest]) -> None:
    fake.go.set()
    with closing(Ahead(numbers(), on=True)) as ahead:
        ahead.begin(EXT4)
        guest = ahead.guest(ahead.spec(EXT4))
        assert ahead.set_up(guest, XFS) == {"mount": "x"}


def test_a_guest_for_another_filesystem_waits_for_its_turn(fake: type[FakeGuest]) -> None:
    """After a death the rest of a filesystem's programs get a guest that is fresh."""
    fake.go.set()
    with closing(Ahead(numbers(), on=True)) as ahead:
        ahead.begin(XFS)
        again = ahead.guest(ahead.spec(EXT4))
        assert again is not fake.made[0]  # type: ignore[comparison-overlap]
        assert again.spec == 1  # type: ignore[comparison-overlap]
        assert ahead.set_up(again, EXT4) == {"mount": "e"}
        ready = ahead.guest(ahead.spec(XFS))
        assert ready is fake.made[0]  # type: ignore[comparison-overlap]
        assert ahead.set_up(ready, XFS) == {"mount": "x"}
        assert fake.made[0].mounted == [XFS]
