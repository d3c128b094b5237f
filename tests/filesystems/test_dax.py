# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.errors import InfrastructureError
from lab.filesystems.dax import (
    CannotMount,
    NotDax,
    Recipe,
    check_evidence,
    check_refusal,
    namespace_mode,
    parse_evidence,
    prepare_script,
)
from lab.guest.command import CommandResult
from lab.model.version import KernelVersion

#: As 6.1.192 says it, ext4 and xfs.
EXT4 = """\
release=6.1.192
mount=ext4 rw,relatime,stripe=512,dax=always
dax_option=yes
statx_known=yes
statx_dax=yes
phys=0x102a00000
pfn_in_pmem=yes
log=[    3.280884] EXT4-fs (pmem0): mounted filesystem with ordered data mode. Quota mode: disabled.
"""
XFS_LOG = """\
log=[    8.164035] XFS (pmem0): DAX enabled. Warning: EXPERIMENTAL, use at your own risk
log=[    8.167673] XFS (pmem0): Mounting V5 Filesystem
log=[    8.218310] XFS (pmem0): Ending clean mount
"""


@pytest.fixture(scope="module")
def mkfs_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host's mkfs has been asked what it knows, once for all tests."""
    return tmp_path_factory.mktemp("mkfs")


def evidence(**changes: Any) -> dict[str, str]:
    said = parse_evidence(EXT4) | changes
    return {key: value for key, value in said.items() if value is not None}


def test_parse() -> None:
    said = parse_evidence(f"noise\n{EXT4}{XFS_LOG}")
    assert said["mount"] == "ext4 rw,relatime,stripe=512,dax=always"
    assert said["phys"] == "0x102a00000"
    assert len(said["log"].splitlines()) == 4
    assert "noise" not in said


def test_parse_nothing() -> None:
    assert parse_evidence("") == {}


@pytest.mark.parametrize("text", [EXT4, EXT4 + XFS_LOG])
def test_proof(text: str) -> None:
    proved_by = check_evidence("ext4-dax", parse_evidence(text))
    assert proved_by == "mount option, statx, page address"


def test_kernel_before_statx_dax_needs_the_rest() -> None:
    """STATX_ATTR_DAX is of 5.8, and has its value since 5.10: 4.2 cannot be asked."""
    old = evidence(release="4.2.8-ckt12", statx_known="no", statx_dax="unknown")
    assert check_evidence("ext4-dax", old) == "mount option, page address"
    with pytest.raises(NotDax):
        check_evidence("ext4-dax", old | {"pfn_in_pmem": "no"})


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"dax_option": "no", "mount": "ext4 rw,relatime"}, "mounted as: ext4 rw,relatime"),
        ({"dax_option": None, "mount": None}, "mounted as: nothing"),
        ({"statx_dax": "no"}, "statx does not say STATX_ATTR_DAX"),
        ({"statx_dax": None}, "statx does not say STATX_ATTR_DAX"),
        # Who must know it and does not say so.
        ({"statx_known": "no", "statx_dax": "unknown"}, "statx does not say STATX_ATTR_DAX"),
        (
            {"release": None, "statx_known": "no", "statx_dax": "unknown"},
            "statx does not say STATX_ATTR_DAX",
        ),
        ({"pfn_in_pmem": "no"}, "a mapped page in persistent memory: no"),
        ({"pfn_in_pmem": "unknown"}, "a mapped page in persistent memory: unknown"),
        ({"pfn_in_pmem": None}, "a mapped page in persistent memory: not asked"),
    ],
)
def test_each_missing_proof_is_an_objection(changes: dict[str, Any], objection: str) -> None:
    with pytest.raises(NotDax, match="ext4-dax is not proved to be DAX") as error:
        check_evidence("ext4-dax", evidence(**changes))
    assert objection in error.value.what


@pytest.mark.parametrize(
    "refusal",
    [
        # fs/xfs/xfs_super.c, 5.x and 6.1
        "XFS (pmem0): DAX unsupported by block device. Turning off DAX.",
        "XFS (pmem0): DAX and reflink cannot be used together!  Disabling DAX.",
        # fs/ext2/super.c, 4.x to 6.x
        "EXT2-fs (pmem0): DAX unsupported by block device. Turning off DAX.",
        "EXT4-fs (pmem0): DAX unsupported by block device.",
        # drivers/dax/super.c
        "pmem0: error: dax unsupported by block device",
    ],
)
def test_kernel_that_refuses_is_believed(refusal: str) -> None:
    with pytest.raises(NotDax) as error:
        check_evidence("xfs-dax", evidence(log=f"[    1.0] {refusal}\n[    1.1] mounted"))
    assert "DAX" in error.value.what.upper()
    assert "mounted" not in error.value.what.removeprefix("xfs-dax")


def test_nothing_said_is_no_proof() -> None:
    with pytest.raises(NotDax):
        check_evidence("ext4-dax", {})


def test_script_is_a_shell_script() -> None:
    recipe = Recipe("a-b", "xfs", ("-m", "crc=1 ; rm -rf /"), ("dax", "noatime"))
    script = recipe.script()
    assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
    assert "mkfs.xfs -q -f -m 'crc=1 ; rm -rf /' /dev/pmem0 >&2" in script
    assert "mount -t xfs -o dax,noatime /dev/pmem0 /mnt/a-b" in script
    assert script.startswith("set -e\n")


def test_no_options_is_no_dash_o() -> None:
    assert " -o " not in Recipe("plain", "ext4", (), ()).script()


OLD_XFS = Recipe("xfs-dax", "xfs", (), ("dax",))


@pytest.mark.parametrize(
    ("kind", "options", "version", "lacking"),
    [
        ("xfs", ("dax",), "4.1.15", "xfs-dax"),
        ("xfs", ("dax",), "4.2", None),
        ("ext4", ("dax",), "4.1.15", None),
        ("ext4", ("noatime", "dax=always"), "5.7", "dax-always"),
        ("xfs", ("dax=always",), "5.8", None),
    ],
)
def test_what_a_mount_asks_of_a_kernel(
    mkfs_cache: Path, kind: str, options: tuple[str, ...], version: str, lacking: str | None
) -> None:
    recipe = Recipe("f", kind, (), options).for_kernel(KernelVersion.parse(version), mkfs_cache)
    assert (recipe.lacking.name if recipe.lacking else None) == lacking


@pytest.mark.parametrize(
    "log",
    [
        "[    2.1] XFS (pmem0): unknown mount option [dax].",
        '[    2.1] EXT4-fs (pmem0): Unrecognized mount option "dax=always" or missing value',
        "[    2.1] xfs: Unexpected value for 'dax'",
        "[    2.1] ext4: Unknown parameter 'dax'",
    ],
)
def test_refusal_that_the_version_explains_is_no_error(log: str, mkfs_cache: Path) -> None:
    recipe = OLD_XFS.for_kernel(KernelVersion(4, 1, 15), mkfs_cache)
    with pytest.raises(CannotMount) as error:
        check_refusal(recipe, f"[    2.0] before\n{log}\n")
    said = log.partition("] ")[2]
    assert error.value.what.startswith(f"this kernel does not mount xfs-dax: {said}; ")
    assert "cbe4dab119f2" in error.value.what


def test_refusal_that_the_version_does_not_explain_is_an_error(mkfs_cache: Path) -> None:
    said = "[    2.1] XFS (pmem0): unknown mount option [dax]."
    check_refusal(OLD_XFS.for_kernel(KernelVersion(4, 2), mkfs_cache), said)


@pytest.mark.parametrize(
    "log",
    [
        "",
        "XFS (pmem0): unknown mount option [noatime].",
        "XFS (pmem0): bad magic number",
        "XFS (pmem0): Superblock has unknown read-only compatible features (0xc) enabled. dax",
    ],
)
def test_old_kernel_with_another_complaint_is_an_error(log: str, mkfs_cache: Path) -> None:
    check_refusal(OLD_XFS.for_kernel(KernelVersion(4, 1, 15), mkfs_cache), log)


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
    script = OLD_XFS.script().replace("/lab/dax-proof", "dax-proof")
    script = script.replace("/dev/kmsg", str(tmp_path / "kmsg"))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done
    assert ("mkfs=mkfs.xfs -q -f /dev/pmem0" in done.stdout) is (status == 0)


@pytest.mark.parametrize(
    ("version", "fsdax", "no_huge_faults"),
    [
        ("4.1.15", False, False),
        # Its 2 MiB mappings of a raw namespace are an oops in pagemap.
        ("4.3", False, True),
        ("4.4", False, False),
        ("4.9.63", True, False),
        ("6.1", True, False),
    ],
)
def test_what_a_guest_does_first(version: str, fsdax: bool, no_huge_faults: bool) -> None:
    script = prepare_script(KernelVersion.parse(version))
    assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
    assert ("--mode=fsdax" in script) is fsdax
    assert ("echo never" in script) is no_huge_faults
    assert script.endswith("test -b /dev/pmem0")


@pytest.mark.parametrize(
    ("shown_by", "status", "said"),
    [
        (["boot", "/proc/self", "/nowhere/at-all", "mount"], 8, "/nowhere/at-all\n"),
        (["/proc/self/status", "boot", "mount"], 1, ""),
        (["boot", "mount"], 1, ""),
        ([], 1, ""),
    ],
)
def test_what_shows_a_gone_option_is_looked_for(
    shown_by: list[str], status: int, said: str
) -> None:
    # 4.1 has no namespaces: what is left of the script is the look at the device.
    script = prepare_script(KernelVersion(4, 1), shown_by)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, said)


@pytest.mark.parametrize("said", ["", " ", "\n\n"])
def test_a_guest_that_prepared_itself_and_says_nothing(tmp_path: Path, said: str) -> None:
    """A restored one that lost its output, say: an error, and no traceback."""
    guest: Any = SimpleNamespace(
        prepared=CommandResult(0, said, "", 0.1), console=SimpleNamespace(path=tmp_path)
    )
    with pytest.raises(InfrastructureError, match="does not say in which mode"):
        namespace_mode(guest)
    guest.prepared = CommandResult(0, "noise\nfsdax\n", "", 0.1)
    assert namespace_mode(guest) == "fsdax"
