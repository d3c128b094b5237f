# SPDX-License-Identifier: GPL-2.0-only
"""How a filesystem is made and mounted in a guest, whatever it promises."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InfrastructureError
from lab.filesystems.dax import Dax, NotDax
from lab.filesystems.filesystem import Filesystem
from lab.filesystems.plain import Plain, Tmpfs
from lab.filesystems.set_up import read, script, set_up
from lab.guest.command import CommandResult
from tests.filesystems.test_dax import EXT4, OLD_XFS, XFS_LOG


def test_parse() -> None:
    said = read(f"noise\n{EXT4}{XFS_LOG}")
    assert said["mount"] == "ext4 rw,relatime,stripe=512,dax=always"
    assert said["phys"] == "0x102a00000"
    assert len(said["log"].splitlines()) == 4
    assert "noise" not in said


def test_parse_nothing() -> None:
    assert read("") == {}


def test_script_is_a_shell_script() -> None:
    recipe = Dax("a-b", "xfs", ("-m", "crc=1 ; rm -rf /"), ("dax", "noatime"))
    text = script(recipe)
    assert subprocess.run(["sh", "-n"], input=text.encode(), check=False).returncode == 0
    assert "mkfs.xfs -q -f -m 'crc=1 ; rm -rf /' /dev/pmem0 >&2" in text
    assert "mount -t xfs -o dax,noatime /dev/pmem0 /mnt/a-b" in text
    assert text.startswith("set -e\n")


def test_no_options_is_no_dash_o() -> None:
    assert " -o " not in script(Plain("plain", "ext4", (), ()))


@pytest.mark.parametrize("status", [0, 1, 8])
def test_failed_mount_has_a_status_of_its_own(tmp_path: Path, status: int) -> None:
    """The script in a real shell, with stand-ins for the tools of a guest."""
    for name in ("umount", "mkdir", "mkfs.xfs", "dmesg", "mount", "dax-proof"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "dmesg").write_text("#!/bin/sh\necho 'XFS: said'\n")
    (tmp_path / ("mkfs.xfs" if status == 1 else "mount")).write_text(
        f"#!/bin/sh\nexit {int(status != 0)}\n"
    )
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    # The host's own log is not for tests, and not for everybody to write.
    text = script(OLD_XFS).replace("/lab/dax-proof", "dax-proof")
    text = text.replace("/dev/kmsg", str(tmp_path / "kmsg"))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", text], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done
    assert ("mkfs=mkfs.xfs -q -f /dev/pmem0" in done.stdout) is (status == 0)


def test_a_mount_is_all_that_a_tmpfs_takes() -> None:
    text = script(Tmpfs("scratch", ("size=1g",)))
    assert "mount -t tmpfs -o size=1g lab-scratch /mnt/scratch" in text
    assert "mkfs" not in text
    assert "/dev/pmem0" not in text
    assert "dax" not in text


class Guest:
    """Says what a script would."""

    def __init__(self, stdout: str, status: int = 0) -> None:
        self.said = CommandResult(status, stdout, "no space\n", 0.1)
        self.prepared = CommandResult(0, "fsdax\n", "", 0.1)
        self.console: Any = self
        self.path = Path("console.log")

    def run(self, _: str) -> CommandResult:
        return self.said


@pytest.mark.parametrize("plain", [Plain("p", "ext4", (), ()), Tmpfs("p")])
def test_who_promises_nothing_owes_nothing(plain: Filesystem) -> None:
    guest: Any = Guest("mounted=/dev/x /mnt/p ext4 rw; \nlog=DAX unsupported by block device\n")
    done = set_up(guest, plain)
    assert done.proofs == {}
    assert done.table == "/dev/x /mnt/p ext4 rw; "


def test_who_promises_dax_says_by_what_it_was_proved() -> None:
    guest: Any = Guest(EXT4)
    said = set_up(guest, Dax("d", "ext4", (), ("dax",))).proofs["dax"]
    assert said["namespace"] == "fsdax"
    assert said["proved_by"] == "mount option, statx, page address"
    assert said["mount"] == "ext4 rw,relatime,stripe=512,dax=always"


def test_what_cannot_be_mounted_is_an_error_of_each_kind() -> None:
    guest: Any = Guest("log=x\n", 1)
    with pytest.raises(InfrastructureError, match="p could not be made and mounted: no space"):
        set_up(guest, Plain("p", "ext4", (), ()))


def test_what_is_no_dax_is_told_first() -> None:
    """A guest that prepared nothing: what its device is not is worse than what it does not say."""
    guest: Any = Guest(EXT4.replace("dax_option=yes", "dax_option=no"))
    guest.prepared = CommandResult(0, "", "", 0.1)
    with pytest.raises(NotDax):
        set_up(guest, Dax("d", "ext4", (), ("dax",)))
