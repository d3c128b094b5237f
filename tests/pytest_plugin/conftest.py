# SPDX-License-Identifier: GPL-2.0-only
"""Tests of pytest's on guests that are only played."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.execution.host_run import tests_of
from lab.execution.job import Job
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.command import CommandResult
from lab.guest.fake import FakeGuest, FakeSpec, Stage
from lab.model.records import Evidence
from lab.suites.on_host import OnHost
from lab.suites.pytest_programs import PytestPrograms

EXT4 = Dax("ext4-dax", "ext4", (), ("dax",))
XFS = Dax("xfs-dax", "xfs", (), ("dax",))
WARNING = (
    "------------[ cut here ]------------\n"
    "WARNING: CPU: 0 PID: 65 at mm/vmstat.c:393 __mod_node_page_state+0xab/0x110\n"
    "---[ end trace 0000000000000000 ]---\n"
)
MakeJob = Callable[..., Job]


def _marks(guest: FakeGuest, command: str, _: float) -> CommandResult:
    """What is written to the kernel log is on the console, too."""
    for line in re.findall(r"echo '<5>([^']*)' >/dev/kmsg", command):
        guest.says(f"{line}\n")
    return CommandResult(0, "", "", 0.0)


def _mounts(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
    # The end of a test is marked in the same command: without it the lab waits for a console
    # that lags.
    _marks(guest, command, deadline_s)
    return guest.obey(command, deadline_s)


def deed(what: Callable[[FakeGuest, float], None]) -> Callable[..., CommandResult]:
    """An answer that does something to its guest."""

    def answer(guest: FakeGuest, _: str, deadline_s: float) -> CommandResult:
        what(guest, deadline_s)
        return CommandResult(0, "", "", 0.0)

    return answer


def played_stage() -> Stage:
    """Guests that do what tests ask for by a word."""

    def dies(guest: FakeGuest, _: float) -> None:
        guest.says("Kernel panic - not syncing: boom\nKernel Offset: disabled\n")
        raise guest.dies("Kernel panic - not syncing: boom")

    def hangs(guest: FakeGuest, deadline_s: float) -> None:
        guest.waits(deadline_s, deadline_s)

    return Stage(
        answers={
            "lab: mount": _mounts,
            "/dev/kmsg": _marks,
            "do-complain": deed(lambda guest, _: guest.says(WARNING)),
            "do-die": deed(dies),
            "do-hang": deed(hangs),
            "do-fail": lambda *_: CommandResult(3, "", "oh no\n", 0.0),
            "uname -r": lambda *_: CommandResult(0, "6.1.192\n", "", 0.0),
        }
    )


@pytest.fixture
def stage() -> Stage:
    return played_stage()


@pytest.fixture
def make_job(stage: Stage, tmp_path: Path) -> MakeJob:
    """A job of a file of tests, on guests that are only played."""

    def make(text: str, *recipes: Dax, repeat: int = 1, program_s: float = 20.0) -> Job:
        (tmp_path / "guest-tests").mkdir()
        (tmp_path / "guest-tests/test_it.py").write_text(text)
        kind = PytestPrograms(tmp_path)
        assert isinstance(kind, OnHost)
        units = [
            one
            for recipe in recipes or (EXT4,)
            for one in tests_of(Unit(recipe, "s", "test_it.py", kind), kind, "mine", "")
        ]
        return Job(
            variant="mine",
            machine="default",
            config="default",
            release="6.1.192",
            guest=FakeSpec(tmp_path / "job", stage),
            units=tuple(units),
            pattern=None,
            program_s=program_s,
            expect=(),
            evidence=Evidence(),
            stall_s=0.15,
            repeat=repeat,
        )

    return make
