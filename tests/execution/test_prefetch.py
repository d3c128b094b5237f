# SPDX-License-Identifier: GPL-2.0-only
"""The next guest starts while one works, and none is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from lab.errors import InfrastructureError
from lab.execution.prefetch import Prefetch
from lab.guest.command import CommandResult
from lab.guest.fake import FakeGuest, FakeSpec, Stage
from tests.execution.conftest import EXT4, XFS


class Gate:
    """Guests open when it does, unless they are closed first."""

    def __init__(self, stage: Stage) -> None:
        self.open = threading.Event()
        self.opened: list[FakeGuest] = []
        stage.opens = self._wait

    def _wait(self, guest: FakeGuest) -> None:
        while not self.open.wait(0.01):
            if guest.closed:
                raise InfrastructureError("QEMU is gone")
        self.opened.append(guest)


@pytest.fixture
def gate(stage: Stage) -> Gate:
    return Gate(stage)


@pytest.fixture
def specs(stage: Stage, tmp_path: Path) -> Iterator[FakeSpec]:
    return (FakeSpec(tmp_path / str(number), stage) for number in count())


def prefetch(specs: Iterator[FakeSpec], *, on: bool = True) -> Prefetch:
    next_spec: Callable[[], FakeSpec] = specs.__next__
    return Prefetch(next_spec, on=on)


def folders(stage: Stage) -> list[str]:
    return [guest.spec.folder.name for guest in stage.made]


def mounts(stage: Stage) -> list[str]:
    """What was made and mounted, in whichever guest."""
    made = [command for command, _ in stage.asked if "mkfs." in command]
    return ["ext4" if "mkfs.ext4" in command else "xfs" for command in made]


def test_the_next_guest_opens_before_it_is_asked_for(
    gate: Gate, stage: Stage, specs: Iterator[FakeSpec]
) -> None:
    gate.open.set()
    with closing(prefetch(specs)) as ahead:
        first = ahead.guest(ahead.spec(EXT4))
        ahead.begin(EXT4)
        ahead.begin(EXT4)
        assert folders(stage) == ["0", "1"]
        assert ahead.spec(EXT4).folder.name == "1"
        second = ahead.guest(ahead.spec(EXT4))
    assert first is stage.made[0]
    assert second is stage.made[1]
    # Who enters its block opens the other.
    assert gate.opened == [second]
    assert not stage.made[1].closed


def test_without_memory_for_two_each_waits_for_its_turn(
    gate: Gate, stage: Stage, specs: Iterator[FakeSpec]
) -> None:
    with closing(prefetch(specs, on=False)) as ahead:
        ahead.begin(EXT4)
        assert folders(stage) == []
        ahead.guest(ahead.spec(EXT4))
        ahead.guest(ahead.spec(EXT4))
    assert folders(stage) == ["0", "1"]


def test_what_went_wrong_is_told_to_who_asks(stage: Stage, specs: Iterator[FakeSpec]) -> None:
    def trouble(_: FakeGuest) -> None:
        raise InfrastructureError("no QEMU today")

    stage.opens = trouble
    with closing(prefetch(specs)) as ahead:
        ahead.begin(EXT4)
        spec = ahead.spec(EXT4)
        with pytest.raises(InfrastructureError, match="no QEMU today"):
            ahead.guest(spec)
    assert stage.made[0].closed


@pytest.mark.parametrize("far", [False, True])
def test_a_guest_that_nobody_takes_is_ended(
    gate: Gate, stage: Stage, specs: Iterator[FakeSpec], far: bool
) -> None:
    """While it opens, and when it is open."""
    before = threading.active_count()
    with closing(prefetch(specs)) as ahead:
        ahead.begin(EXT4)
        if far:
            gate.open.set()
            while not stage.made[0].is_open:
                pass
    assert stage.made[0].closed
    assert threading.active_count() == before


def test_a_filesystem_is_made_once(gate: Gate, stage: Stage, specs: Iterator[FakeSpec]) -> None:
    gate.open.set()
    with closing(prefetch(specs)) as ahead:
        ahead.begin(EXT4)
        guest = ahead.guest(ahead.spec(EXT4))
        ahead.set_up(guest, EXT4)
        assert mounts(stage) == ["ext4"]
        # The same once more is a new one, and so is another.
        ahead.set_up(guest, EXT4)
        ahead.set_up(guest, XFS)
    assert mounts(stage) == ["ext4", "ext4", "xfs"]


@pytest.mark.parametrize(("status", "tries"), [(0, 1), (9, 1)])
def test_what_was_not_mounted_ahead_is_no_proof(
    gate: Gate, stage: Stage, specs: Iterator[FakeSpec], status: int, tries: int
) -> None:
    """One whose device is not there is not even tried ahead."""
    gate.open.set()
    stage.answers["mkfs."] = lambda *_: CommandResult(1, "", "no device\n", 0.0)
    stage.prepared = CommandResult(status, "", "", 0.0)
    with closing(prefetch(specs)) as ahead:
        ahead.begin(EXT4)
        guest = ahead.guest(ahead.spec(EXT4))
        with pytest.raises(InfrastructureError, match="no device"):
            ahead.set_up(guest, EXT4)
    assert len(mounts(stage)) == tries


def test_another_filesystem_than_was_mounted_is_not_proved_by_it(
    gate: Gate, stage: Stage, specs: Iterator[FakeSpec]
) -> None:
    gate.open.set()
    with closing(prefetch(specs)) as ahead:
        ahead.begin(EXT4)
        guest = ahead.guest(ahead.spec(EXT4))
        ahead.set_up(guest, XFS)
    assert mounts(stage) == ["ext4", "xfs"]


def test_a_guest_for_another_filesystem_waits_for_its_turn(
    gate: Gate, stage: Stage, specs: Iterator[FakeSpec]
) -> None:
    """After a death the rest of a filesystem's programs get a guest that is fresh."""
    gate.open.set()
    with closing(prefetch(specs)) as ahead:
        ahead.begin(XFS)
        again = ahead.guest(ahead.spec(EXT4))
        assert again is not stage.made[0]
        with again:
            ahead.set_up(again, EXT4)
        ready = ahead.guest(ahead.spec(XFS))
        assert ready is stage.made[0]
        ahead.set_up(ready, XFS)
    assert sorted(mounts(stage)) == ["ext4", "xfs"]
