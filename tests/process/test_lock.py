# SPDX-License-Identifier: GPL-2.0-only
"""Locks between processes."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from lab.process.lock import locked

FORK = multiprocessing.get_context("fork")


def hold(path: Path, held: Event, let_go: Event) -> None:
    with locked(path):
        held.set()
        let_go.wait()
        time.sleep(0.05)
        path.with_name("released").touch()


def test_a_free_lock_is_taken_at_once_and_twice_over(tmp_path: Path) -> None:
    waited: list[int] = []
    for _ in range(2):
        with locked(tmp_path / "deep/lock", lambda _: waited.append(1)):
            assert (tmp_path / "deep/lock").exists()
    assert waited == []


def test_the_second_says_that_it_waits_and_waits(tmp_path: Path) -> None:
    held, let_go = FORK.Event(), FORK.Event()
    holder = FORK.Process(target=hold, args=(tmp_path / "lock", held, let_go))
    holder.start()
    assert held.wait(10)
    said: list[str] = []

    def waiting(pid: str) -> None:
        said.append(pid)
        assert holder.is_alive()
        let_go.set()

    with locked(tmp_path / "lock", waiting):
        said.append("held")
        assert (tmp_path / "released").exists()
    holder.join()
    assert said == [str(holder.pid), "held"]


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    held = FORK.Event()
    holder = FORK.Process(target=hold, args=(tmp_path / "lock", held, FORK.Event()))
    holder.start()
    assert held.wait(10)
    waited: list[int] = []

    def kill(_: str) -> None:
        waited.append(1)
        holder.kill()

    with locked(tmp_path / "lock", kill):
        holder.join()
    assert waited == [1]


def test_a_lock_goes_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), locked(tmp_path / "lock"):
        raise ValueError("mine")
    waited: list[int] = []
    with locked(tmp_path / "lock", lambda _: waited.append(1)):
        pass
    assert waited == []
