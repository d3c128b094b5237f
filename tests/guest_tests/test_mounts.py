# SPDX-License-Identifier: GPL-2.0-only
"""A mount that is not what was proved any more, as a guest sees it in the kernel's table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.execution.unit import Unit
from lab.execution.unit_run import _marked
from lab.filesystems.mounts import check, look, read, say_if_moved
from lab.guest.settings import read as read_changed
from lab.model.log_mark import marked
from lab.process import run
from lab.suites.scripts import Scripts
from tests.execution.conftest import EXT4

pytestmark = pytest.mark.slow

DEVICE, FOLDER = "/dev/pmem0", "/mnt/ext4-dax"
DAX = "/dev/pmem0 /mnt/ext4-dax ext4 rw,relatime,dax=always 0 0\n"
ROOT = "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\n"
NOBODY = "nobody could look"
MOVED = [
    "",
    DAX.replace(",dax=always", ""),
    DAX.replace("rw,", "ro,"),
    DAX + "none /mnt/ext4-dax tmpfs rw 0 0\n",
    DAX + "none /mnt tmpfs rw 0 0\n",
    DAX + "none /mnt/ext4-dax/below tmpfs rw 0 0\n",
    DAX + DAX,
    DAX.replace("/mnt/ext4-dax", "/mnt/moved"),
    DAX + "/dev/pmem0 /elsewhere ext4 rw,relatime,dax=always 0 0\n",
]


class Table:
    """A table of mounts, and a shell and a program that take it for the kernel's."""

    def __init__(self, folder: Path, looker: Path) -> None:
        self._folder = folder
        self._looker = looker
        self.says(ROOT + DAX)
        self.shell("/lab/init keep")
        self.proved = self.looked(DEVICE, FOLDER)
        assert self.proved == DAX.replace("\n", "; ")

    def says(self, text: str) -> None:
        (self._folder / "mounts").write_text(text)

    def looked(self, device: str, folder: str) -> str:
        """What set_up() takes for what is mounted."""
        return self.shell(f'{look(device, folder)}; printf "%s" "$m"')[0]

    def shell(self, code: str) -> tuple[str, str, int]:
        code = code.replace("/proc/mounts", "mounts").replace("/dev/kmsg", "/dev/null")
        code = code.replace("/lab/init", str(self._looker))
        done = run(["sh", "-c", code], cwd=self._folder, check=False)
        return done.stdout, done.stderr, done.status

    def after(self, text: str, then: str) -> tuple[str | None, str | None]:
        """What is said of the table, and of the settings, after a program, if anything."""
        self.says(text)
        command = "sh -c 'echo says-this >&2; exit 7'"
        _, stderr, status = self.shell(marked(command, "ext4-dax", "s", "p", then))
        assert status == 7
        rest, now = read(stderr)
        said, changed = read_changed(rest)
        assert said.strip() == "says-this"
        return now, changed


@pytest.fixture
def table(tmp_path: Path, looker: Path) -> Table:
    return Table(tmp_path, looker)


@pytest.mark.parametrize("look_again", [say_if_moved, check])
def test_a_mount_that_stays_says_nothing(
    table: Table, look_again: Callable[[str, str, str], str]
) -> None:
    then = look_again(DEVICE, FOLDER, table.proved)
    for now in (
        ROOT + DAX,
        ROOT + DAX + "debugfs /sys/kernel/debug debugfs rw 0 0\n",
        ROOT + DAX + "none /mnt/ext4-daxes tmpfs rw 0 0\n",
        ROOT + DAX + "/dev/pmem01 /elsewhere tmpfs rw 0 0\n",
    ):
        assert table.after(now, then) == (None, None)


@pytest.mark.parametrize("now", MOVED)
def test_a_mount_that_is_another_is_told(table: Table, now: str) -> None:
    told = now.replace("\n", "; ").strip()
    assert table.after(ROOT + now, check(DEVICE, FOLDER, table.proved)) == (told, None)
    assert table.after(ROOT + now, say_if_moved(DEVICE, FOLDER, table.proved)) == (told, None)


@pytest.mark.parametrize("now", MOVED)
@pytest.mark.parametrize("folder", [FOLDER, "/tmp"])
def test_both_look_at_the_same(table: Table, now: str, folder: str) -> None:
    """The shell does before the programs run, init after each."""
    table.says(ROOT + now)
    was = table.looked(DEVICE, folder)
    assert table.after(ROOT + now, check(DEVICE, folder, was)) == (None, None)


def test_where_nothing_was_mounted_something_may_be(table: Table, tmp_path: Path) -> None:
    """A device has no mount that could go, and may have one laid over it."""
    unit = Unit(EXT4, "s", "p", Scripts(tmp_path))
    for text, now in ((ROOT, None), (ROOT + DAX, DAX.strip() + ";")):
        table.says(text)
        _, stderr, _ = table.shell(_marked(unit, "true", ""))
        assert read(stderr)[1] == now
    assert DEVICE not in _marked(unit, "true", None)


def test_both_are_told(table: Table) -> None:
    table.shell("mkdir -p proc/sys/vm; echo 2 >proc/sys/vm/overcommit_memory")
    then = check(DEVICE, FOLDER, table.proved)
    assert table.after(ROOT, then) == ("", "vm/overcommit_memory:  -> 2")
    assert table.after(ROOT, check(DEVICE, FOLDER, "")) == (None, "vm/overcommit_memory:  -> 2")


def test_a_table_that_nobody_could_read_is_no_proof(table: Table) -> None:
    """It is longer than what there is room for, or there is none, or nobody looks."""
    then = check(DEVICE, FOLDER, table.proved)
    longer = ROOT + DAX + "none /elsewhere tmpfs rw 0 0\n" * 3000
    assert table.after(longer, then) == (NOBODY, None)
    gone = then.replace("/lab/init", "rm mounts; /lab/init")
    assert table.after("", gone) == (NOBODY, None)
    assert table.after(ROOT + DAX, then.replace("/lab/init", "false")) == (NOBODY, NOBODY)
    alone = say_if_moved(DEVICE, FOLDER, table.proved).replace("/lab/init", "false")
    assert table.after(ROOT + DAX, alone) == (NOBODY, None)
