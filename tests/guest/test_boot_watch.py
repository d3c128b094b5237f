# SPDX-License-Identifier: GPL-2.0-only
"""Boots that do not go on, and those that are only slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.guest.boot_watch import Booting
from lab.process.cpu_waits import Times

STALL = (
    "[   31.1] rcu: INFO: rcu_sched self-detected stall on CPU\n"
    "[   31.1] rcu: \t0-....: (5250 ticks this GP) idle=0a4/1/0x4000000000000000 softirq=8/8\n"
).replace("31.1]", "31.100000]")
STARVED = "[   31.200000] rcu: rcu_sched kthread starved for 5250 jiffies! g1 f0x0 ->state=0x0\n"
OOPS = "[    2.100000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
WARNING = "[    2.100000] WARNING: CPU: 0 PID: 1 at mm/gup.c:1 populate+0x1/0x2\n"


class Clock:
    """Time that passes when it is told to, and a guest that has all of it or none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waited = 0.0
        fake = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr("lab.guest.boot_watch.time", fake)
        monkeypatch.setattr("lab.process.cpu_waits.time", fake)

    def times(self) -> dict[int, Times]:
        return {1: Times(self.now - self.waited, self.waited)}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def wait(clock: Clock, tmp_path: Path) -> Callable[..., str]:
    console = tmp_path / "console.log"
    booting = Booting(console, 10.0, clock.times)

    def wait(seconds: int, says: str = "", waits: float = 0.0) -> str:
        """What is said of a boot after so many seconds, in which it printed this first."""
        with console.open("a") as stream:
            stream.write(says)
        said = ""
        for _ in range(seconds):
            clock.now += 1
            clock.waited += waits / seconds
            said = said or booting.hung()
        return said

    return wait


def test_stall_and_silence(wait: Callable[..., str]) -> None:
    assert not wait(60, "Booting\n")
    assert not wait(9, STALL)
    said = wait(5)
    assert said == "RCU stall: did not go on within deadlines.stall (10 s), and was ended"


def test_first_stall_is_named(wait: Callable[..., str]) -> None:
    assert not wait(9, STALL)
    assert wait(15, STARVED).startswith("RCU stall: did not go on")


def test_oops_and_silence(wait: Callable[..., str]) -> None:
    assert "NULL pointer dereference" in wait(30, OOPS)


@pytest.mark.parametrize("says", ["", "Booting\n", WARNING])
def test_slow_boot(wait: Callable[..., str], says: str) -> None:
    assert not wait(600, says)


def test_boot_that_goes_on_after_a_stall(wait: Callable[..., str]) -> None:
    assert not wait(9, STALL)
    for number in range(10):
        assert not wait(9, f"initcall {number}\n")


def test_busy_host_is_no_stall(wait: Callable[..., str]) -> None:
    """For forty seconds the guest wanted a CPU and had next to none."""
    assert not wait(40, waits=39.0)
    assert not wait(60, STALL)


@pytest.mark.parametrize(("waits", "hangs"), [(4.0, True), (12.0, False)])
def test_a_host_that_takes_a_part_of_the_time(
    wait: Callable[..., str], waits: float, hangs: bool
) -> None:
    """21 s of the kernel's may be 9 of the guest's: that it stalls then is not shown."""
    assert not wait(20, waits=waits)
    assert bool(wait(60, STALL)) is hangs


def test_grace_is_time_that_the_guest_had(wait: Callable[..., str]) -> None:
    assert not wait(30, STALL, waits=25.0)
    assert wait(10)
