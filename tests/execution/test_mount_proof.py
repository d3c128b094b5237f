# SPDX-License-Identifier: GPL-2.0-only
"""A mount that is not what was proved any more, as the shell sees it in the kernel's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.execution.mount_proof import proved
from lab.execution.unit import Unit
from lab.execution.unit_run import _marked
from lab.filesystems.mounts import look, read, say_if_moved
from lab.model.log_mark import marked
from lab.model.status import Status
from lab.process import run
from lab.suites.judge import Judged
from lab.suites.scripts import Scripts
from tests.execution.conftest import EXT4

DAX = "/dev/pmem0 /mnt/ext4-dax ext4 rw,relatime,dax=always 0 0\n"
ROOT = "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\n"
PASS, FAIL, CRASH, ERROR = Status.PASS, Status.FAIL, Status.CRASH, Status.ERROR


class Table:
    """A table of mounts, and a shell that takes it for the kernel's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mounts"
        self.says(ROOT + DAX)
        found = self.shell(f'{look("/dev/pmem0", "/mnt/ext4-dax")}; printf "%s" "$m"')[0]
        assert found == DAX.replace("\n", "; ")
        self.proved = found

    def says(self, text: str) -> None:
        self.path.write_text(text)

    def shell(self, code: str) -> tuple[str, str, int]:
        code = code.replace("/proc/mounts", str(self.path)).replace("/dev/kmsg", "/dev/null")
        done = run(["sh", "-c", code], check=False)
        return done.stdout, done.stderr, done.status

    def after(self, text: str) -> str | None:
        """What is said of the table after a program, if anything."""
        self.says(text)
        then = say_if_moved("/dev/pmem0", "/mnt/ext4-dax", self.proved)
        command = ["sh", "-c", "echo says-this >&2; exit 7"]
        _, stderr, status = self.shell(marked(command, "ext4-dax", "s", "p", then))
        assert status == 7
        said, now = read(stderr)
        assert said.strip() == "says-this"
        return now


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def test_a_mount_that_stays_says_nothing(table: Table) -> None:
    assert table.after(ROOT + DAX) is None
    assert table.after(ROOT + DAX + "debugfs /sys/kernel/debug debugfs rw 0 0\n") is None
    assert table.after(ROOT + DAX + "none /mnt/ext4-daxes tmpfs rw 0 0\n") is None


@pytest.mark.parametrize(
    "now",
    [
        "",
        DAX.replace(",dax=always", ""),
        DAX.replace("rw,", "ro,"),
        DAX + "none /mnt/ext4-dax tmpfs rw 0 0\n",
        DAX + "none /mnt tmpfs rw 0 0\n",
        DAX + "none /mnt/ext4-dax/below tmpfs rw 0 0\n",
        DAX + DAX,
        DAX.replace("/mnt/ext4-dax", "/mnt/moved"),
        DAX + "/dev/pmem0 /elsewhere ext4 rw,relatime,dax=always 0 0\n",
    ],
)
def test_a_mount_that_is_another_is_told(table: Table, now: str) -> None:
    assert table.after(ROOT + now) == now.replace("\n", "; ").strip()


def judged(*statuses: Status) -> tuple[Judged, ...]:
    return tuple(Judged(f"t{number}", status) for number, status in enumerate(statuses))


def test_one_test_may_unmount() -> None:
    assert proved(judged(PASS), "p", "ext4-dax", "", listed=True) == (judged(PASS), None)


def test_of_several_none_is_proved() -> None:
    kept, rest = proved(judged(PASS, CRASH, FAIL), "p", "ext4-dax", "", listed=False)
    assert rest is None
    assert [one.status for one in kept] == [CRASH, ERROR, ERROR]
    assert "nothing proves that this ran on ext4-dax" in kept[1].message


def test_what_can_be_named_runs_again_alone() -> None:
    kept, rest = proved(judged(PASS, CRASH, FAIL), "p", "ext4-dax", "x", listed=True)
    assert [one.test for one in kept] == ["t1"]
    assert rest is not None
    assert (rest.planned, rest.missing, rest.done) == (3, 2, frozenset({"t1"}))
    assert "left something else mounted (x)" in rest.why


def test_where_nothing_was_mounted_something_may_be(tmp_path: Path, table: Table) -> None:
    """A device has no mount that could go, and may have one laid over it."""
    unit = Unit(EXT4, "s", "p", Scripts(tmp_path))
    for text, now in ((ROOT, None), (ROOT + DAX, DAX.strip() + ";")):
        table.says(text)
        _, stderr, _ = table.shell(_marked(unit, ["true"], ""))
        assert read(stderr)[1] == now
    assert "mounted now" not in _marked(unit, ["true"], None)
