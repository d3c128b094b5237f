# SPDX-License-Identifier: GPL-2.0-only
"""What a guest says of filesystems that it cannot unmount."""

from __future__ import annotations

import pytest

from lab.filesystems.unmount import last_words, read_left, unmounting
from lab.process import run

BUSY = "umount: can't unmount /mnt/x: Device or resource busy"
HOLDERS = "".join(f"lab: held by: p[{n}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("", ""),
        (f"dmesg: no\n{BUSY}\n", ""),
        (f"\nlab: stays mounted:  {BUSY}\n", f"{BUSY}; no process is seen to hold it"),
        (
            f"words\n\nlab: stays mounted: {BUSY}\nlab: held by: p[8]\nlab: held by: p[8]\n",
            f"{BUSY}; held by p[8]",
        ),
        (
            f"\nlab: stays mounted: {BUSY}\n"
            + "".join(f"lab: held by: p[{n}]\n" for n in range(9)),
            f"{BUSY}; held by p[0], p[1], p[2]",
        ),
    ],
)
def test_what_is_left_is_read(said: str, read: str) -> None:
    assert read_left(said) == read


def test_what_a_guest_says_has_an_end() -> None:
    said = f"\nlab: stays mounted: {'x' * 10**6}\nlab: held by: {'y' * 10**6}\n"
    assert len(read_left(said)) < 500


@pytest.mark.parametrize("shell", [["sh"], ["busybox", "sh"]])
def test_where_nothing_is_mounted_nothing_is_said(shell: list[str]) -> None:
    script = unmounting("/dev/pmem-none") + "leave || exit 7; echo on"
    done = run([*shell, "-c", f"set -e\n{script}"])
    assert (done.stdout, done.stderr) == ("on\n", "")
    run([*shell, "-n", "-c", last_words("/dev/pmem-none", 0.5)])
