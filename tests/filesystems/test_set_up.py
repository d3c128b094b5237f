# SPDX-License-Identifier: GPL-2.0-only
"""How a filesystem is made and mounted in a guest, whatever it promises."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.config.model import Filesystem as Table
from lab.errors import InfrastructureError
from lab.features import feature
from lab.filesystems import filesystem_of
from lab.filesystems.dax import Control, Dax
from lab.filesystems.dax_proof import MayBeDax, NotDax
from lab.filesystems.filesystem import CannotMount, Filesystem
from lab.filesystems.mounts import look
from lab.filesystems.plain import Nothing, Plain, Tmpfs
from lab.filesystems.set_up import StaysMounted, read, script, set_up
from lab.guest.command import CommandResult, CommandTimeout
from tests.filesystems.test_dax import EXT4, NO_DAX, OLD_XFS, XFS_LOG


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


def test_each_step_comes_in_its_turn(tmp_path: Path) -> None:
    """In a real shell: what was called, and what was said of it."""
    calls, kmsg = tmp_path / "calls", tmp_path / "kmsg"
    for name in ("umount", "mkdir", "mkfs.ext4", "mount", "dax-proof"):
        said = "echo dax_option=yes" if name == "dax-proof" else "echo noise=yes"
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n{said}\n')
    (tmp_path / "dmesg").write_text(f"#!/bin/sh\necho before\ncat {kmsg}\necho EXT4: after\n")
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    text = script(Dax("d", "ext4", ("-b", "4096"), ("dax",)))
    text = text.replace("/lab/dax-proof", "dax-proof").replace("/dev/kmsg", str(kmsg))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", text], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert calls.read_text().splitlines() == [
        "mkdir -p /mnt/d",
        "mkfs.ext4 -q -F -b 4096 /dev/pmem0",
        "mount -t ext4 -o dax /dev/pmem0 /mnt/d",
        "dax-proof /mnt/d",
    ]
    found = read(done.stdout)
    assert found["log"] == "EXT4: after"
    assert found["mkfs"] == "mkfs.ext4 -q -F -b 4096 /dev/pmem0"
    assert found["dax_option"] == "yes"
    assert "mounted" in found
    # What mkfs says is no evidence; mkdir and mount say nothing.
    assert done.stdout.count("noise=yes") == 2
    assert done.stderr == "noise=yes\n"


def test_what_a_device_has_mounted_goes_first() -> None:
    text = script(Dax("d", "ext4", (), ("dax",)))
    leave = text.index("leave || exit 7")
    assert "/dev/pmem0:*" in text[:leave]
    assert leave < text.index("mkfs.ext4")
    # What is mounted is looked at before anybody could change it.
    looked = text.index(look("/dev/pmem0", "/mnt/d"))
    assert text.index("mount -t ext4") < looked < text.index("dax-proof")


def test_a_table_that_nobody_showed_is_none() -> None:
    guest: Any = Guest("")
    assert set_up(guest, Plain("p", "ext4", (), ())).table == ""


def test_a_mount_is_all_that_a_tmpfs_takes() -> None:
    text = script(Tmpfs("scratch", ("size=1g",)))
    assert "mount -t tmpfs -o size=1g lab-scratch /mnt/scratch" in text
    assert "mkfs" not in text
    assert "/dev/pmem0" not in text
    assert text.endswith("/lab/dax-proof /mnt/scratch\nlog")


def test_none_makes_and_mounts_nothing(tmp_path: Path) -> None:
    """In a real shell: what is looked at is the guest's own folder."""
    none = filesystem_of("none", Table.model_validate({"type": "none"}))
    text = script(none)
    assert text == script(Nothing("none"))
    for word in ("mkfs", "mount -t", "/dev/pmem0", "/lab/"):
        assert word not in text
    text = text.replace("/dev/kmsg", "/dev/null").replace("dmesg", "true")
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert " / " in read(done.stdout)["mounted"]
    guest: Any = Guest(done.stdout)
    assert set_up(guest, none).proofs == {}


class Guest:
    """Says what a script would."""

    def __init__(self, stdout: str, status: int = 0) -> None:
        self.said = CommandResult(status, stdout, "no space\n", 0.1)
        self.prepared = CommandResult(0, "fsdax\n", "", 0.1)
        self.console: Any = self
        self.path = Path("console.log")

        self.spec: Any = SimpleNamespace(command_s=30.0)
        self.late = False

    def take_readied(self, _: str) -> None:
        """Nothing was run ahead in it."""

    def run(self, _: str) -> CommandResult:
        if self.late:
            raise CommandTimeout("still ran")
        return self.said


@pytest.mark.parametrize("plain", [Plain("p", "ext4", (), ()), Plain("p", "xfs", (), ())])
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


@pytest.mark.parametrize("control", [Control("c", "ext4", (), ("dax=never",)), Tmpfs("c")])
def test_a_control_that_is_dax_after_all_is_none(control: Filesystem) -> None:
    guest: Any = Guest(NO_DAX)
    assert set_up(guest, control).proofs["not-dax"]["proved_by"].startswith("mount option")
    guest = Guest(EXT4)
    with pytest.raises(MayBeDax):
        set_up(guest, control)


def test_a_mount_without_what_the_kernel_lacks_is_a_skip() -> None:
    """It mounts, and says that it ignores the option."""
    said = NO_DAX + "log=[ 1.0] ext2: DAX support has been removed. dax option ignored.\n"
    ext2 = Dax("ext2-dax", "ext2", (), ("dax",), lacking=feature("ext2-dax"))
    guest: Any = Guest(said)
    with pytest.raises(CannotMount, match="this kernel does not mount ext2-dax"):
        set_up(guest, ext2)
    # A kernel of a version that has it: nobody's excuse.
    with pytest.raises(NotDax):
        set_up(guest, replace(ext2, lacking=None))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (8, "mount: mounting x on y failed: No such device\n"),
        (1, "failed to reconfigure namespace: No such device or address\n"),
    ],
)
def test_a_kernel_without_the_filesystem_is_told_where_its_config_is(
    status: int, said: str
) -> None:
    guest: Any = Guest("", status)
    guest.said = replace(guest.said, stderr=said)
    with pytest.raises(InfrastructureError) as error:
        set_up(guest, DAX)
    assert "--config, --machine" in (error.value.hint or "")


DAX = Dax("d", "ext4", (), ("dax",))


def test_a_mount_that_the_kernel_is_too_old_for_is_no_error() -> None:
    log = 'log=[    2.1] EXT4-fs (pmem0): Unrecognized mount option "dax"\n'
    old: Any = Guest(log, 8)
    with pytest.raises(CannotMount, match=r"does not mount d: .*Unrecognized"):
        set_up(old, replace(DAX, lacking=feature("xfs-dax")))
    # It should know the option, or says nothing of it.
    for guest, lacking in ((Guest(log, 8), None), (Guest("", 8), feature("xfs-dax"))):
        played: Any = guest
        with pytest.raises(InfrastructureError, match="could not be made") as error:
            set_up(played, replace(DAX, lacking=lacking))
        assert not isinstance(error.value, CannotMount)
        assert str(error.value.detail).startswith("no space")
    assert set_up_fails(Guest(log, 1), replace(DAX, lacking=feature("xfs-dax")))


def set_up_fails(guest: Any, filesystem: Dax) -> bool:
    """Another status than that of a mount that failed is no word of the kernel's on it."""
    with pytest.raises(InfrastructureError) as error:
        set_up(guest, filesystem)
    return not isinstance(error.value, CannotMount)


def test_a_deadline_says_which_it_was() -> None:
    guest: Any = Guest("")
    guest.late = True
    with pytest.raises(CommandTimeout, match="setup deadline of 30 s passed while d was made"):
        set_up(guest, DAX)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_who_says_too_much_is_not_read(more: int, refused: bool) -> None:
    said = f"{EXT4}x=".ljust((1 << 20) + more, "y")
    guest: Any = Guest(said)
    if not refused:
        assert len(set_up(guest, DAX).proofs["dax"]["x"]) == 1024
        return
    with pytest.raises(InfrastructureError, match="nobody knows what was meant"):
        set_up(guest, DAX)


@pytest.mark.parametrize(
    ("status", "stderr", "stays"),
    [
        (7, "\nlab: stays mounted: umount: /mnt/x: target is busy\n", True),
        (7, "mkfs.ext4: it has a status of its own\n", False),
        (1, "\nlab: stays mounted: umount: /mnt/x: target is busy\n", False),
    ],
)
def test_what_stays_mounted_is_told_from_other_trouble(
    status: int, stderr: str, stays: bool
) -> None:
    guest: Any = Guest("", status)
    guest.said = CommandResult(status, "", stderr, 0.1)
    with pytest.raises(InfrastructureError) as error:
        set_up(guest, DAX)
    assert isinstance(error.value, StaysMounted) is stays
