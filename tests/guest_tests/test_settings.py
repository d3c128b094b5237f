# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is set to, kept and looked at again, where a folder stands for /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.guest.settings import read
from lab.process import run

pytestmark = pytest.mark.slow

THP = "sys/kernel/mm/transparent_hugepage/enabled"
VMSTAT = "nr_free_pages 7\ndrop_pagecache {}\ndrop_slab 0\n"


class Guest:
    """A folder that is set like this."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        self._program = program
        self.set("proc/sys/vm/overcommit_memory", "0\n")
        self.set("proc/sys/vm/nr_hugepages", "0\n")
        self.set("proc/sys/kernel/printk", "7\t4\t1\t7\n")
        self.set("proc/vmstat", VMSTAT.format(0))
        self.set(THP, "always [madvise] never\n")

    def set(self, path: str, text: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def shell(self, code: str) -> str | None:
        """What is told of it after some code of the shell's that may look itself."""
        code = code.replace("LOOK", str(self._program))
        return read(run(["sh", "-c", code], cwd=self.folder).stdout)[1]

    def changed(self) -> str | None:
        return self.shell("LOOK check; true")


@pytest.fixture
def guest(tmp_path: Path, looker: Path) -> Guest:
    guest = Guest(tmp_path, looker)
    guest.shell("LOOK keep; true")
    return guest


def test_nothing_changed(guest: Guest) -> None:
    assert guest.changed() is None
    # Nor did what nobody looks at.
    guest.set("proc/sys/vm/stat_interval", "5\n")
    guest.set("proc/vmstat", VMSTAT.format(0).replace("7", "8"))
    assert guest.changed() is None


def test_each_change_is_told(guest: Guest) -> None:
    guest.set("proc/sys/vm/overcommit_memory", "2\n")
    guest.set("proc/sys/vm/nr_hugepages", "16\n")
    guest.set(THP, "always madvise [never]\n")
    assert guest.changed() == (
        "vm/overcommit_memory: 0 -> 2; vm/nr_hugepages: 0 -> 16; "
        "kernel/mm/transparent_hugepage/enabled: always [madvise] never -> always madvise [never]"
    )
    guest.set("proc/sys/vm/overcommit_memory", "0\n")
    guest.set("proc/sys/vm/nr_hugepages", "0\n")
    guest.set(THP, "always [madvise] never\n")
    assert guest.changed() is None


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("proc/sys/kernel/printk", "1\t4\t1\t7\n", "kernel/printk: 7 4 1 7 -> 1 4 1 7"),
        ("proc/sys/vm/overcommit_memory", "00\n", "vm/overcommit_memory: 0 -> 00"),
        # Of a filesystem that a program mounted.
        ("sys/kernel/mm/ksm/run", "1\n", "kernel/mm/ksm/run:  -> 1"),
        ("proc/vmstat", VMSTAT.format(1), "times the page cache was dropped: 0 -> 1"),
    ],
)
def test_what_is_told(guest: Guest, path: str, text: str, told: str) -> None:
    guest.set(path, text)
    assert (guest.changed() or "").replace("\t", " ") == told


def test_what_the_next_program_would_inherit(guest: Guest) -> None:
    """A program can set the limits of the shell that started it: prlimit(2)."""
    said = guest.shell("LOOK keep; ulimit -S -n 100; LOOK check") or ""
    name, resource, change = said.split(": ")
    assert (name, resource) == ("limits of its shell", "RLIMIT 7")
    was, now = (pair.split(", ") for pair in change.split(" -> "))
    assert now == ["100", was[1]]
    # Its own shell's shell, which goes on where a server would.
    above = "LOOK keep; sh -c 'ulimit -S -n 100; LOOK check; :'"
    assert (guest.shell(f"ulimit -S -n 200; {above}") or "").startswith("limits of its shell: ")
    assert guest.shell("LOOK keep; (ulimit -S -n 100); LOOK check") is None


def test_who_kept_nothing_knows_nothing(guest: Guest) -> None:
    (guest.folder / "kept").write_text("")
    assert guest.changed() == "nobody knows what it was set to"
    (guest.folder / "kept").unlink()
    assert guest.changed() == "nobody knows what it was set to"
    lines = "vm/overcommit_memory=0\n"
    (guest.folder / "kept").write_text(lines)
    assert guest.changed() == "nobody knows what it was set to"


def test_of_many_changes_some_are_told(guest: Guest) -> None:
    guest.set("proc/sys/kernel/core_pattern", "x" * 400)
    guest.set("proc/sys/vm/swappiness", "y" * 400)
    guest.set("proc/sys/vm/dirty_ratio", "z" * 400)
    said = guest.changed()
    assert said is not None
    assert said.startswith("vm/swappiness:  -> yyy")
